"""Split OTLP logs in JSON (OTLP, "JSON Protobuf Encoding") and turn them into events. Pure.

Unknown fields are ignored, null is unset, 64-bit integers are numbers or strings, enumerations are
integers, ids are hexadecimal. Each record is decoded on its own, so that a bad one costs no other.
If the body is not valid JSON, api/formats/otlp/outline.py finds the records by their brackets.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from math import isinf
from typing import Any, TypeVar

import msgspec

from api.formats.otlp.budget import Budget, Budgets
from api.formats.otlp.outline import outline
from api.formats.otlp.records import (
    Described,
    Record,
    Refused,
    Source,
    attempt,
    described,
    event_text,
    of_float,
    source_of,
)
from api.http.json_scan import has_half_of_a_pair, has_more_commas, require_utf8, without_bom
from api.http.problems import Problem
from storage.model.json_rules import MAX_JSON_DEPTH as DEPTH

_Number = int | float | str | None
_Sent = TypeVar("_Sent")
_Part = msgspec.Raw | memoryview
_Original = Callable[[msgspec.Raw], _Part]

_NULL = msgspec.Raw(b"null")


class _Message(msgspec.Struct, rename="camel"):
    """A protobuf message in JSON: fields in lowerCamelCase, unset if absent or null."""


class _AnyValue(_Message):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: _Number = None
    double_value: _Number = None
    array_value: "_ArrayValue | None" = None
    kvlist_value: "_KeyValueList | None" = None
    bytes_value: str | None = None


class _KeyValue(_Message):
    key: str | None = None
    value: _AnyValue | None = None


class _ArrayValue(_Message):
    values: list[_AnyValue] | None = None


class _KeyValueList(_Message):
    values: list[_KeyValue] | None = None


class _Described(_Message):
    """A Resource or an InstrumentationScope."""

    attributes: list[_KeyValue] | None = None
    dropped_attributes_count: _Number = None
    name: str | None = None
    version: str | None = None


class _LogRecord(_Message):
    time_unix_nano: _Number = None
    observed_time_unix_nano: _Number = None
    severity_number: int | None = None
    severity_text: str | None = None
    body: _AnyValue | None = None
    attributes: list[_KeyValue] | None = None
    dropped_attributes_count: _Number = None
    flags: _Number = None
    trace_id: str | None = None
    span_id: str | None = None
    event_name: str | None = None


class _ScopeLogs(_Message):
    scope: msgspec.Raw = _NULL
    log_records: list[msgspec.Raw] | None = None
    schema_url: msgspec.Raw = _NULL


class _ResourceLogs(_Message):
    resource: msgspec.Raw = _NULL
    scope_logs: list[_ScopeLogs] | None = None
    schema_url: msgspec.Raw = _NULL


class _Request(_Message):
    resource_logs: list[_ResourceLogs] | None = None


_decode_request = msgspec.json.Decoder(_Request).decode
_decode_record = msgspec.json.Decoder(_LogRecord).decode
_decode_described = msgspec.json.Decoder(_Described | None).decode
_decode_text = msgspec.json.Decoder(str | None).decode


def event_texts(
    body: bytes | bytearray, record_bytes: int, budgets: Budgets
) -> Iterator[bytes | Refused]:
    """Yield each record as the JSON of an event, or why it is refused, in the order sent.

    `record_bytes`: what a record, a resource or a scope may have. Raises Problem: 400 if the body
    is not an ExportLogsServiceRequest, 413 above a budget.
    """
    body = without_bom(body)
    if has_more_commas(body, budgets.elements.limit, _DEPTHS_OF_ELEMENTS):
        raise budgets.elements.exceeded()
    values = budgets.values
    request, original = _request(body, budgets.brackets)
    for resource_logs in request.resource_logs or ():
        budgets.groups.take()
        source, of_source = values.metered(
            _source, original(resource_logs.resource), resource_logs, record_bytes, values
        )
        for scope_logs in resource_logs.scope_logs or ():
            budgets.groups.take()
            scope, of_scope = values.metered(
                _scope, original(scope_logs.scope), scope_logs, record_bytes, values
            )
            for record in scope_logs.log_records or ():
                if isinstance(source, Refused):
                    yield source
                elif isinstance(scope, Refused):
                    yield scope
                else:
                    values.take(of_source + of_scope)
                    sent = original(record)
                    yield attempt(_event_text, source, scope, sent, record_bytes, values)


# The depths of the commas between resources, scopes and records. Other commas at these depths are
# only those between a resource's attributes, and those in unknown fields.
_DEPTHS_OF_ELEMENTS = (2, 4, 6)


def _event_text(
    source: Source,
    scope: msgspec.Raw | None,
    record: _Part,
    max_bytes: int,
    values: Budget,
) -> bytes:
    sent = _parse(_decode_record, record, "it", max_bytes)
    return event_text(source, scope, _record(sent, values))


def _source(part: _Part, sent: _ResourceLogs, max_bytes: int, values: Budget) -> Source:
    resource = _described(part, "its resource", max_bytes, values)
    return source_of(resource, _url(sent.schema_url, max_bytes))


def _scope(part: _Part, sent: _ScopeLogs, max_bytes: int, values: Budget) -> msgspec.Raw | None:
    scope = _described(part, "its scope", max_bytes, values)
    return described(scope, _url(sent.schema_url, max_bytes))


def _url(sent: msgspec.Raw, max_bytes: int) -> str:
    return _parse(_decode_text, sent, "its schema URL", max_bytes) or ""


def _request(body: bytes | bytearray, brackets: Budget) -> tuple[_Request, _Original]:
    """Return the request, and a function that returns what was sent for a part of it."""
    try:
        return _decode_request(body), lambda part: part
    except msgspec.ValidationError as error:
        raise _undecodable(f"{error}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        broken = error
    found = outline(body, brackets)
    try:
        return _decode_request(found.text), found.original
    except msgspec.ValidationError as error:
        raise _undecodable(f"{error}") from None
    except (msgspec.DecodeError, RecursionError):
        require_utf8(body)
        raise _undecodable(_why(broken, body, "it is nested too deep to be read")) from None


def _why(error: Exception, sent: bytes | bytearray | memoryview, too_deep: str) -> str:
    """Say why text can't be decoded. `too_deep`: the answer if it is nested too deep."""
    if isinstance(error, RecursionError):
        return too_deep
    if isinstance(error, UnicodeDecodeError):
        return "it has text that is not UTF-8"
    # Browsers send lone surrogates, for which msgspec's message is misleading.
    if has_half_of_a_pair(sent):
        return "it has a lone surrogate (half of a surrogate pair)"
    return f"{error}".rstrip(".")


def _described(raw: _Part, what: str, max_bytes: int, values: Budget) -> Described:
    sent = _parse(_decode_described, raw, what, max_bytes)
    if sent is None:
        return Described({}, 0)
    try:
        return Described(
            _pairs(sent.attributes, 1, values),
            _integer(sent.dropped_attributes_count, 0, 2**32, "droppedAttributesCount"),
            sent.name or "",
            sent.version or "",
        )
    except Refused as refused:
        raise Refused(f"of {what}, {refused}") from None


def _parse(decode: Callable[[_Part], _Sent], sent: _Part, what: str, max_bytes: int) -> _Sent:
    text = memoryview(sent)
    if len(text) > max_bytes:
        raise Refused(f"{what} has {len(text)} bytes; at most {max_bytes} are kept")
    try:
        return decode(sent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = _why(error, text, f"it is nested deeper than {DEPTH} levels")
        raise Refused(f"{what} can't be decoded: {why}") from None


def _record(sent: _LogRecord, values: Budget) -> Record:
    return Record(
        _integer(sent.time_unix_nano, 0, 2**64, "timeUnixNano"),
        _integer(sent.observed_time_unix_nano, 0, 2**64, "observedTimeUnixNano"),
        _integer(sent.severity_number, -(2**31), 2**31, "severityNumber"),
        sent.severity_text or "",
        _value(sent.body, 1, values),
        _pairs(sent.attributes, 1, values),
        _integer(sent.dropped_attributes_count, 0, 2**32, "droppedAttributesCount"),
        _integer(sent.flags, 0, 2**32, "flags"),
        _id(sent.trace_id),
        _id(sent.span_id),
        sent.event_name or "",
    )


def _id(text: str | None) -> bytes:
    """Return the id's bytes; an invalid id counts as unset, as the protocol says."""
    try:
        return bytes.fromhex(text or "")
    except ValueError:
        return b""


def _pairs(pairs: Sequence[_KeyValue] | None, depth: int, values: Budget) -> dict[str, Any]:
    values.take(1 + len(pairs or ()))
    return {pair.key or "": _value(pair.value, depth + 1, values) for pair in pairs or ()}


def _array(items: Sequence[_AnyValue] | None, depth: int, values: Budget) -> list[Any]:
    values.take(1 + len(items or ()))
    return [_value(item, depth + 1, values) for item in items or ()]


def _value(sent: _AnyValue | None, depth: int, values: Budget) -> Any:
    """Return the value as JSON has it. `depth`: the arrays and objects around it."""
    if depth > DEPTH + 1:  # before Python's own recursion limit, which msgspec need not share
        raise Refused(f"it is nested deeper than {DEPTH} levels")
    if sent is None:
        return None
    fields = msgspec.structs.astuple(sent)
    if len(fields) - fields.count(None) > 1:
        set_ = (name for name, value in zip(_READ, fields, strict=True) if value is not None)
        raise Refused(f"a value in it has more than one of its fields: {', '.join(set_)}")
    for read, value in zip(_READ.values(), fields, strict=True):
        if value is not None:
            return read(value, depth, values)
    return None


# How to read each field of `_AnyValue`, in the order of the fields.
_READ: dict[str, Callable[[Any, int, Budget], Any]] = {
    "string_value": lambda sent, *_: sent,
    "bool_value": lambda sent, *_: sent,
    "int_value": lambda sent, *_: _integer(sent, -(2**63), 2**63, "intValue"),
    "double_value": lambda sent, *_: of_float(_double(sent)),
    "array_value": lambda sent, depth, values: _array(sent.values, depth, values),
    "kvlist_value": lambda sent, depth, values: _pairs(sent.values, depth, values),
    "bytes_value": lambda sent, *_: _bytes(sent),
}

_is_integer = re.compile(r"-?\d{1,20}", re.ASCII).fullmatch
_is_double = re.compile(r"-?\d{1,400}(?:\.\d{1,800})?(?:[eE][-+]?\d{1,4})?", re.ASCII).fullmatch


def _integer(sent: _Number, least: int, end: int, name: str) -> int:
    if sent is None:
        return 0
    if isinstance(sent, str):
        value = int(sent) if _is_integer(sent) else None
    elif isinstance(sent, float):
        value = int(sent) if sent.is_integer() else None
    else:
        value = sent
    if value is None or not least <= value < end:
        raise Refused(f"{name} in it is not an integer from {least} to {end - 1}")
    return value


def _double(sent: int | float | str) -> float:
    if isinstance(sent, str):
        if sent in ("NaN", "Infinity", "-Infinity"):
            return float(sent)
        value = float(sent) if _is_double(sent) else float("inf")
    else:
        value = _float(sent)
    if isinf(value):
        raise Refused("doubleValue in it is not a 64-bit number")
    return value


def _float(sent: float) -> float:
    try:
        return float(sent)
    except OverflowError:  # an integer
        return float("inf")


def _bytes(sent: str) -> str:
    """Read standard or URL-safe base64, with or without padding (protobuf's JSON mapping)."""
    text = sent.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return b64encode(b64decode(text + "=" * (-len(text) % 4), validate=True)).decode()
    except ValueError:
        raise Refused("bytesValue in it is not base64") from None


def _undecodable(why: str) -> Problem:
    return Problem(400, f"The body is not an ExportLogsServiceRequest in JSON: {why}.")
