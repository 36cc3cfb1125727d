"""Validate a CloudEvent's attributes (CloudEvents 1.0.2, sections 2 and 3). Pure.

Not checked, because this service does not depend on it and SDKs do not check it either: that
`source` and `dataschema` are URIs, that names have at most 20 characters, and control characters
except NUL, which can't be stored.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from api.http.instants import instant_of, rfc_3339

REQUIRED = ("specversion", "id", "source", "type")
_STRINGS = (*REQUIRED, "datacontenttype", "dataschema", "subject", "time")
_VERSION = "1.0"

_is_name = re.compile(r"[a-z0-9]+").fullmatch
_is_integer = re.compile(r"-?(?:0|[1-9]\d{0,9})", re.ASCII).fullmatch

_HTTP_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_is_media_type = re.compile(
    rf'{_HTTP_NAME}/{_HTTP_NAME}(?:\s*;\s*(?:{_HTTP_NAME}=(?:{_HTTP_NAME}|"(?:[^"\\]|\\.)*+"))?)*+\s*'
).fullmatch
# What RFC 3339 has and `datetime` has not: the year 0, a leap year, and leap seconds.
_STAND_INS = {"year": {"0000": "0004"}, "second": {"60": "59"}}


class Number(str):
    """The text of a JSON number, of NaN or of an infinity, as it was sent."""

    __slots__ = ()


def faults_of_attributes(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name of each faulty attribute, and its fault. None is an unset attribute."""
    for name in REQUIRED:
        if attributes.get(name) is None:
            yield name, "is required"
    for name, value in attributes.items():
        if not _is_name(name):
            yield name, "is not an attribute's name: only the letters a-z and digits are allowed"
        elif value is not None and (fault := _fault_of_value(name, value)):
            yield name, fault


def fault_of_base64(value: Any) -> str | None:
    """Return what is wrong with the value of `data_base64`, if anything is."""
    if not is_string(value):
        return "must be a string"
    try:
        base64.b64decode(value, validate=True)
    except ValueError:
        return "is not base64 (RFC 4648, 4)"
    return None


def is_string(value: Any) -> bool:
    """Return whether the value was sent as a JSON string."""
    return isinstance(value, str) and not isinstance(value, Number)


def _fault_of_value(name: str, value: Any) -> str | None:
    if name not in _STRINGS:
        return _fault_of_extension(value)
    if not is_string(value):
        return "must be a string"
    if not value:
        return "must not be empty"
    return _CHECKS[name](value) if name in _CHECKS else None


def _fault_of_extension(value: Any) -> str | None:
    """Return what is wrong with an extension: attributes are strings, booleans or integers."""
    if isinstance(value, Number):
        if _is_integer(value) and -(2**31) <= int(value) < 2**31:
            return None
        return "must be an integer of 32 bits, if it is a number"
    return None if isinstance(value, str | bool) else "must be a string, a boolean or an integer"


def _fault_of_version(value: str) -> str | None:
    return None if value == _VERSION else f"must be {_VERSION}, the only supported version"


def _fault_of_media_type(value: str) -> str | None:
    if _is_media_type(value):
        return None
    return "is not a media type (RFC 2046), such as application/json"


def _fault_of_time(value: str) -> str | None:
    parts = rfc_3339(value)
    if parts and _is_on_the_calendar(parts.groupdict()):
        return None
    return "is not a time of RFC 3339, such as 2026-04-16T12:30:00Z"


def _is_on_the_calendar(parts: Mapping[str, str | None]) -> bool:
    known = {name: _STAND_INS.get(name, {}).get(part or "", part) for name, part in parts.items()}
    try:
        instant_of(known)
    except ValueError:
        return False
    return True


_CHECKS: dict[str, Callable[[str], str | None]] = {
    "specversion": _fault_of_version,
    "datacontenttype": _fault_of_media_type,
    "time": _fault_of_time,
}
