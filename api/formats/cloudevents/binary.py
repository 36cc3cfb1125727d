"""CloudEvents 1.0 over HTTP in binary mode: attributes as headers, the body is the data. Pure."""

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import unquote_to_bytes

import msgspec

from api.formats.cloudevents.attributes import REQUIRED, faults_of_attributes
from api.formats.cloudevents.mapping import (
    MappedEvent,
    event_text,
    fault_at,
    map_fields,
    mapping_reader,
)
from api.formats.event_reader import EventReader
from api.formats.json_document import decode_utf8, pointer, read_json
from api.formats.validation_problem import validation_problem
from api.http.error_detail import ErrorDetail
from api.http.json_scan import without_bom
from storage.model.json_rules import MAX_JSON_DEPTH, is_too_deep

Headers = Sequence[tuple[bytes, bytes]]

_PREFIX = b"ce-"
_OTHER_MODES = b"application/cloudevents"
_CONTENT_TYPE = "content-type"
_TYPE = "datacontenttype"

# A request with any of these headers is a CloudEvent, complete or not.
BINARY_HEADERS = frozenset(_PREFIX + name.encode() for name in REQUIRED)

_is_quoted = re.compile(r'"((?:[^"\\]|\\.)*+)"').fullmatch
_unescaped = re.compile(r"\\(.)").sub
_is_printable = re.compile(r"[\t -~]*").fullmatch
_stray_percent = re.compile(r"%(?![0-9A-Fa-f]{2})").search
_charset = re.compile(r';\s*charset\s*=\s*"?([^";\s]+)', re.IGNORECASE).search


def is_binary(headers: Headers) -> bool:
    """Return whether the request is a CloudEvent in binary mode (HTTP binding, 3)."""
    return not any(
        name == b"content-type" and value.strip().lower().startswith(_OTHER_MODES)
        for name, value in headers
    ) and any(name in BINARY_HEADERS for name, _ in headers)


def binary_reader(headers: Headers, max_bytes: int) -> EventReader:
    """Return the reader of the data that was sent with these headers."""
    sent = (b"%b:%b\n" % header for header in sorted(headers) if _is_part_of_event(header[0]))
    identity = b"".join(sent)
    reader = mapping_reader(partial(map_binary, headers), max_bytes)
    return replace(reader, identity=lambda body: identity + b"\n" + body)


def _is_part_of_event(name: bytes) -> bool:
    return name.startswith(_PREFIX) or name == _CONTENT_TYPE.encode()


def map_binary(headers: Headers, body: bytes) -> MappedEvent:
    """Return the event of a CloudEvent in binary mode: `data` is the CloudEvent in the JSON format.

    `headers`: lower-case names, raw values. JSON data stays the text that was sent, other text
    becomes a string, and everything else `data_base64`. Raises Problem: 400 if data that claims to
    be JSON is not, 422 if data is nested too deep.
    """
    attributes, faults = _attributes(headers)
    media_type, more = _media_type(headers)
    faults += more
    if media_type is not None:
        attributes[_TYPE] = media_type
    reported = {fault.header for fault in faults}  # one fault is enough for an unreadable header
    invalid = [(_header_of(name), detail) for name, detail in faults_of_attributes(attributes)]
    faults += [fault_at(header, detail) for header, detail in invalid if header not in reported]
    fields, origins = map_fields(attributes, _header_of)
    origins |= {f"/data{pointer((name,))}": _header_of(name) for name in attributes}
    document = {**attributes, **_data(media_type or "", body)}
    text = event_text(fields, msgspec.json.encode(document))
    return MappedEvent(text, origins | {"/data": "", "/data/data": ""}, faults)


def _header_of(name: str) -> str:
    return _CONTENT_TYPE if name == _TYPE else f"ce-{name}"


def _attributes(headers: Headers) -> tuple[dict[str, str], list[ErrorDetail]]:
    attributes: dict[str, str] = {}
    faults: list[ErrorDetail] = []
    for header, value in headers:
        if not header.startswith(_PREFIX):
            continue
        name = header.removeprefix(_PREFIX).decode("latin-1")
        faults += [
            ErrorDetail(text, header=f"ce-{name}") for text in _faults_of_header(name, attributes)
        ]
        try:
            attributes[name] = decode_header(value)
        except ValueError as error:
            faults.append(ErrorDetail(str(error), header=f"ce-{name}"))
            attributes[name] = value.decode("ascii", "replace")
    return {name: value for name, value in attributes.items() if name not in _RESERVED}, faults


# Members of a CloudEvent in JSON that no header stands for: the data and its content type.
_RESERVED = {
    _TYPE: "must be sent as Content-Type instead",
    "data": "is not an attribute: data is sent as the body",
    "data_base64": "is not an attribute: data is sent as the body",
}


def _faults_of_header(name: str, earlier: dict[str, str]) -> Iterator[str]:
    if name in earlier:
        yield "is given more than once"
    if name in _RESERVED:
        yield _RESERVED[name]


def decode_header(value: bytes) -> str:
    """Decode a header's value (HTTP binding, 3.1.3.2). Raises ValueError saying what is wrong."""
    text = value.decode("latin-1").strip(" \t")
    if text.startswith('"'):
        quoted = _is_quoted(text)
        if not quoted:
            raise ValueError("has a quoted string that does not end where the value does")
        text = _unescaped(r"\1", quoted[1])
    if not _is_printable(text):
        raise ValueError("must be printable ASCII: other characters are percent-encoded UTF-8")
    if _stray_percent(text):
        raise ValueError("has a % without two hexadecimal digits behind it; % itself is %25")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ValueError("is percent-encoded, but not as UTF-8") from None


def _media_type(headers: Headers) -> tuple[str | None, list[ErrorDetail]]:
    given = [value.decode("latin-1").strip() for name, value in headers if name == b"content-type"]
    if len(given) > 1:
        return given[0], [ErrorDetail("is given more than once", header=_CONTENT_TYPE)]
    return (given[0] if given else None), []


def _data(media_type: str, body: bytes) -> dict[str, object]:
    """Return the member that holds the data; none if the body is empty.

    Without a media type the data is `data_base64`.
    """
    if not body:
        return {}
    if _is_json(media_type):
        body = without_bom(body)
        _require_json(body)
        return {"data": msgspec.Raw(body)}
    if _is_text(media_type) and b"\0" not in body:
        try:
            return {"data": body.decode()}
        except UnicodeDecodeError:
            pass
    return {"data_base64": base64.b64encode(body).decode()}


def _is_json(media_type: str) -> bool:
    """Return whether data is JSON (JSON format, 3.1.1): `*/json` or `*/*+json`."""
    subtype = _subtype(media_type)
    return subtype == "json" or subtype.endswith("+json")


_TEXT_SUBTYPES = {"xml", "javascript", "ecmascript", "yaml", "x-www-form-urlencoded", "x-ndjson"}


def _is_text(media_type: str) -> bool:
    """Return whether data is text, if its bytes are UTF-8."""
    if charset := _charset(media_type):
        return charset[1].lower() in ("utf-8", "us-ascii")
    subtype = _subtype(media_type)
    return (
        media_type.lower().startswith("text/")
        or subtype in _TEXT_SUBTYPES
        or subtype.endswith(("+xml", "+yaml"))
    )


def _subtype(media_type: str) -> str:
    return media_type.partition(";")[0].partition("/")[2].strip().lower()


def _require_json(body: bytes) -> None:
    """Raise Problem unless the body is one JSON value: it is copied into JSON as it is."""
    text = decode_utf8(body)
    max_depth = MAX_JSON_DEPTH - 1
    if is_too_deep(body, max_depth):
        detail = f"is nested deeper than {max_depth} levels"
        raise validation_problem([ErrorDetail(detail, pointer="")])
    read_json(text, _ignore, _ignore)


def _ignore(literal: str) -> None:
    """Return nothing: numbers are validated with the event."""
