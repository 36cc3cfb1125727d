"""Requests of OTLP as text, and how tests read them in both encodings."""

import base64
import json
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from api.formats.native_fast import EventIn
from api.formats.otlp import export as otlp
from api.formats.otlp.encodings import JSON, PROTOBUF, Encoding
from api.formats.otlp.export import Bounds, Export
from api.http.problems import Problem

LIMIT = 256 * 1024
BOUNDS = Bounds(10_000, LIMIT, 32 * 1024 * 1024)
BOTH = pytest.mark.parametrize("encoding", [JSON, PROTOBUF], ids=["JSON", "protobuf"])

TRACE, SPAN = bytes(range(1, 17)), bytes(range(1, 9))


def any_value(value: Any) -> AnyValue:
    """Return a Python value as OpenTelemetry has it."""
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            array = AnyValue()
            array.array_value.SetInParent()
            array.array_value.values.extend(map(any_value, value))
            return array
    pairs = AnyValue()
    pairs.kvlist_value.SetInParent()
    pairs.kvlist_value.values.extend(key_values(value))
    return pairs


def key_values(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def log_record(
    body: Any = None, attributes: dict[str, Any] | None = None, **more: Any
) -> LogRecord:
    sent = LogRecord(attributes=key_values(attributes or {}), **more)
    if body is not None:
        sent.body.CopyFrom(any_value(body))
    return sent


def request(
    *records: LogRecord,
    of_resource: dict[str, Any] | None = None,
    of_scope: dict[str, Any] | None = None,
) -> ExportLogsServiceRequest:
    """One resource with one scope."""
    sent = ExportLogsServiceRequest()
    group = sent.resource_logs.add()
    group.resource.attributes.extend(key_values(of_resource or {}))
    inner = group.scope_logs.add()
    inner.scope.attributes.extend(key_values(of_scope or {}))
    inner.log_records.extend(records)
    return sent


def encoded(sent: ExportLogsServiceRequest, encoding: Encoding) -> bytes:
    """As a client would; MessageToDict has ids in base64, which OTLP has not."""
    if encoding == PROTOBUF:
        return sent.SerializeToString()
    document = MessageToDict(sent, use_integers_for_enums=True)
    for group in document.get("resourceLogs", ()):
        for inner in group.get("scopeLogs", ()):
            for record in inner.get("logRecords", ()):
                for name in {"traceId", "spanId"} & set(record):
                    record[name] = base64.b64decode(record[name]).hex().upper()
    return json.dumps(document, ensure_ascii=False).encode()


def read(sent: ExportLogsServiceRequest, encoding: Encoding) -> Export:
    return otlp.read(encoded(sent, encoding), encoding, BOUNDS)


def only(sent: LogRecord, encoding: Encoding = PROTOBUF, **origin: Any) -> EventIn:
    """Return the event of one record, that is kept."""
    export = read(request(sent, **origin), encoding)
    assert not export.refused, export.why()
    (event,) = export.events
    return event


def data(event: EventIn) -> Any:
    return json.loads(bytes(event.data))


def of_json(record: dict[str, Any] | str) -> Export:
    """Of one record in JSON."""
    text = record if isinstance(record, str) else json.dumps(record)
    body = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{text}]}}]}}]}}'
    return otlp.read(body.encode(), JSON, BOUNDS)


def refusal(body: bytes, encoding: Encoding) -> Problem:
    with pytest.raises(Problem) as caught:
        otlp.read(body, encoding, BOUNDS)
    return caught.value


def delimited(number: int, content: bytes) -> bytes:
    """Return a length-delimited field, by hand."""
    length, size = b"", len(content)
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def enveloped(*records: bytes) -> bytes:
    return delimited(1, delimited(2, b"".join(delimited(2, record) for record in records)))
