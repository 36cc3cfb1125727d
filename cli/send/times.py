"""Times of the input as instants of RFC 3339. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec

TimeForm = Literal["rfc3339", "utc", "unix", "unix-ms"]

_MS_OF_UNIT: Mapping[str, int] = {"unix": 1000, "unix-ms": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOO_LONG = 40  # characters of a number that is no time
_TOO_LARGE = 20  # the power of ten of one
_read_scalar = msgspec.json.Decoder(str | int | float, float_hook=Decimal).decode
_is_instant = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?P<between>[ Tt])"
    r"(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)"
    r"(?P<offset>[Zz]|[+-][0-9]{2}(?::?[0-9]{2}(?::[0-9]{2})?)?)?"
).fullmatch
_has_seconds = len("+00:19:32")


def instant(value: msgspec.Raw, form: TimeForm) -> Any:
    """Return the time in RFC 3339; what is no time of this form stays, to be refused.

    Besides RFC 3339 that is what PostgreSQL writes: a space between date and time, an offset of
    hours. Without an offset the form must be `utc`. Numbers are rounded down to milliseconds.
    """
    try:
        found = _read_scalar(value)
    except msgspec.DecodeError:
        return value
    if unit := _MS_OF_UNIT.get(form):
        return _of_number(str(found), unit) or value
    return _of_text(found, form) or value if isinstance(found, str) else value


def remedy(value: msgspec.Raw) -> str | None:
    """Return the option that may read a time which was refused, None if none does."""
    try:
        found = str(_read_scalar(value)).strip()
    except msgspec.DecodeError:
        return None
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", found):
        return "--created-at unix reads a number of seconds since 1970, unix-ms of milliseconds"
    parts = _is_instant(found)
    if parts and not parts["offset"]:
        return "--created-at utc reads a time without an offset as one of UTC"
    if (read := _of_text(found, "rfc3339")) and read.upper() != found.upper():
        return "--created-at utc also reads times as PostgreSQL writes them"
    return None


def _of_number(text: str, unit: int) -> str | None:
    try:
        number = Decimal(text[:_TOO_LONG].strip())
        if number.adjusted() > _TOO_LARGE:  # its digits would take long to write out
            return None
        ms = int((number * unit).to_integral_value("ROUND_FLOOR"))
        at = _EPOCH + timedelta(milliseconds=ms)
    except (ArithmeticError, ValueError):
        return None
    return f"{at.isoformat(timespec='milliseconds')[:-6]}Z"


def _of_text(text: str, form: TimeForm) -> str | None:
    parts = _is_instant(text.strip())
    if parts is None:
        return None
    offset = parts["offset"] or ("Z" if form == "utc" else "")
    if len(offset) == _has_seconds:
        return _in_utc(f"{parts['day']}T{parts['time']}{offset}")
    digits = offset.upper().replace(":", "")
    if digits[1:]:
        offset = f"{digits[:3]}:{digits[3:] or '00'}"
    return f"{parts['day']}T{parts['time']}{offset}" if offset else None


def _in_utc(text: str) -> str | None:
    """Return the instant without its offset of seconds, which RFC 3339 does not have."""
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return f"{at.isoformat(timespec='microseconds')[:-6]}Z"
