"""Split OTLP logs in protobuf and turn them into events. Pure.

The outer levels are read here, field by field. Only a record, a resource or a scope is given to the
protobuf library: two bytes can be a whole record, so the library would need a gigabyte for the
16 MiB that a request may have. And a record that can't be decoded costs no other record.
"""

from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from api.formats.otlp.budget import Budget, Budgets
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
from api.http.problems import Problem

# The numbers of fields in ExportLogsServiceRequest, ResourceLogs and ScopeLogs.
_RESOURCE_LOGS = 1
_RESOURCE, _SCOPE_LOGS, _RESOURCE_URL = 1, 2, 3
_SCOPE, _LOG_RECORDS, _SCOPE_URL = 1, 2, 3

_AnyMessage = TypeVar("_AnyMessage", bound=Message)
_Parts = Sequence[memoryview]
_Fields = dict[int, list[memoryview]]


def event_texts(
    body: bytes | bytearray, record_bytes: int, budgets: Budgets
) -> Iterator[bytes | Refused]:
    """Yield each record as the JSON of an event, or why it is refused, in the order sent.

    `record_bytes`: what a record, a resource or a scope may have. Raises Problem: 400 if the body
    is not an ExportLogsServiceRequest, 413 above a budget.
    """
    values = budgets.values
    for resource_logs in _fields(memoryview(body), budgets.fields)[_RESOURCE_LOGS]:
        budgets.groups.take()
        parts = _fields(resource_logs, budgets.fields)
        source, of_source = values.metered(_source, parts, record_bytes, values)
        for scope_logs in parts[_SCOPE_LOGS]:
            budgets.groups.take()
            inner = _fields(scope_logs, budgets.fields)
            scope, of_scope = values.metered(_scope, inner, record_bytes, values)
            for record in inner[_LOG_RECORDS]:
                if isinstance(source, Refused):
                    yield source
                elif isinstance(scope, Refused):
                    yield scope
                else:
                    values.take(of_source + of_scope)
                    yield attempt(_event_text, source, scope, record, record_bytes, values)


def _event_text(
    source: Source,
    scope: msgspec.Raw | None,
    record: memoryview,
    max_bytes: int,
    values: Budget,
) -> bytes:
    sent = _parse(LogRecord, [record], "it", max_bytes)
    return event_text(source, scope, _record(sent, values))


def _source(parts: _Fields, max_bytes: int, values: Budget) -> Source:
    resource = _parse(Resource, parts[_RESOURCE], "its resource", max_bytes)
    attributes = _pairs(resource.attributes, values)
    sent = Described(attributes, resource.dropped_attributes_count)
    return source_of(sent, _url(parts[_RESOURCE_URL], max_bytes))


def _scope(parts: _Fields, max_bytes: int, values: Budget) -> msgspec.Raw | None:
    scope = _parse(InstrumentationScope, parts[_SCOPE], "its scope", max_bytes)
    attributes = _pairs(scope.attributes, values)
    sent = Described(attributes, scope.dropped_attributes_count, scope.name, scope.version)
    return described(sent, _url(parts[_SCOPE_URL], max_bytes))


def _parse(kind: type[_AnyMessage], parts: _Parts, what: str, max_bytes: int) -> _AnyMessage:
    """Return the message. A field may be sent in parts: joining the parts merges them."""
    _require_room(sum(map(len, parts)), what, max_bytes)
    try:
        return kind.FromString(b"".join(parts))
    except DecodeError:
        raise Refused(
            f"{what} can't be decoded: it is cut off, or has text that is not UTF-8, "
            "or is nested too deep"
        ) from None


def _require_room(size: int, what: str, max_bytes: int) -> None:
    if size > max_bytes:
        raise Refused(f"{what} has {size} bytes; at most {max_bytes} are kept")


def _url(parts: _Parts, max_bytes: int) -> str:
    if not parts:
        return ""
    _require_room(len(parts[-1]), "its schema URL", max_bytes)
    try:
        return str(parts[-1], "utf-8")
    except UnicodeDecodeError:
        raise Refused("its schema URL is not UTF-8") from None


def _record(sent: LogRecord, values: Budget) -> Record:
    return Record(
        sent.time_unix_nano,
        sent.observed_time_unix_nano,
        sent.severity_number,
        sent.severity_text,
        _value(sent.body, values),
        _pairs(sent.attributes, values),
        sent.dropped_attributes_count,
        sent.flags,
        sent.trace_id,
        sent.span_id,
        sent.event_name,
    )


def _pairs(pairs: Sequence[KeyValue], values: Budget) -> dict[str, Any]:
    values.take(1 + len(pairs))
    return {pair.key: _value(pair.value, values) for pair in pairs}


def _array(items: Sequence[AnyValue], values: Budget) -> list[Any]:
    values.take(1 + len(items))
    return [_value(item, values) for item in items]


def _value(sent: AnyValue, values: Budget) -> Any:
    """Return the value as JSON has it. The library refuses more than 100 nested messages."""
    match sent.WhichOneof("value"):
        case "string_value":
            return sent.string_value
        case "bool_value":
            return sent.bool_value
        case "int_value":
            return sent.int_value
        case "double_value":
            return of_float(sent.double_value)
        case "array_value":
            return _array(sent.array_value.values, values)
        case "kvlist_value":
            return _pairs(sent.kvlist_value.values, values)
        case "bytes_value":
            return b64encode(sent.bytes_value).decode()
    return None  # unset, or a reference into a table that only profiles have


def _fields(message: memoryview, budget: Budget) -> _Fields:
    """Return a message's length-delimited fields by number; other fields are unknown here."""
    found: _Fields = defaultdict(list)
    at = 0
    while at < len(message):
        budget.take()
        tag, at = _varint(message, at)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise _undecodable(f"there is no field {number}")
        start, at = _extent(message, at, wire_type)
        if at > len(message):
            raise _undecodable("it ends within a field")
        if wire_type == _DELIMITED:
            found[number].append(message[start:at])
    return found


_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5


def _extent(message: memoryview, at: int, wire_type: int) -> tuple[int, int]:
    """Return where a field's content begins and ends."""
    if wire_type == _DELIMITED:
        length, at = _varint(message, at)
        return at, at + length
    if wire_type == _VARINT:
        return at, _varint(message, at)[1]
    if wire_type == _FIXED64:
        return at, at + 8
    if wire_type == _FIXED32:
        return at, at + 4
    raise _undecodable(f"wire type {wire_type} is not used")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise _undecodable("it ends within a number")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _undecodable("a number has more than 64 bits")


def _undecodable(why: str) -> Problem:
    return Problem(400, f"The body is not an ExportLogsServiceRequest in protobuf: {why}.")
