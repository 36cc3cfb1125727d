"""Bound what large or hostile logs and CloudEvents take: memory, and time that others wait."""

import gzip
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from testbed.service import Service
from tests.support.bounds import within_bounds
from tests.support.health_probe import cpu_seconds
from tests.support.hostile import fuzz, mutations

MIB = 1024 * 1024
BUSY_UNITS = 120  # of CPU time, with everything else that the process does meanwhile
JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}
CLOUDEVENTS = {"content-type": "application/cloudevents-batch+json"}


def export(records: int, text: str) -> bytes:
    """Return that many records in protobuf."""
    sent = ExportLogsServiceRequest()
    group = sent.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = "large"
    inner = group.scope_logs.add()
    for _ in range(records):
        inner.log_records.add().body.string_value = text
    return sent.SerializeToString()


@pytest.mark.parametrize("records", [10_000, 70])
@pytest.mark.parametrize("packed", [False, True])
def test_sixteen_mebibytes_of_logs_are_taken_within_bounds(
    running: Service, records: int, packed: bool
) -> None:
    body = export(records, "x" * (16 * MIB // records - 20))
    content = gzip.compress(body, 1) if packed else body
    headers = PROTOBUF | ({"content-encoding": "gzip"} if packed else {})
    # A thread decodes them; memory that it frees is not reused by other threads at once.
    with within_bounds(running, 96 * MIB):
        answer = running.http.post("/v1/logs", content=content, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("items", [10_000, 1_200, 70])
def test_sixteen_mebibytes_of_cloudevents_are_taken_within_bounds(
    running: Service, items: int
) -> None:
    data = ["x" * 30] * (16 * MIB // items // 34 - 5)
    one = {"specversion": "1.0", "id": "1", "source": "/large", "type": "t", "data": data}
    body = json.dumps([one] * items).encode()
    with within_bounds(running):
        answer = running.http.post("/events/batch", content=body, headers=CLOUDEVENTS)
        assert answer.json()["accepted"] == items


def test_an_export_of_only_invalid_records_is_answered_within_bounds(running: Service) -> None:
    body = export(10_000, "x" * 1_500 + "\0")
    with within_bounds(running):
        answer = running.http.post("/v1/logs", content=body, headers=PROTOBUF)
        partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
        assert partial.rejected_log_records == 10_000
        assert len(answer.content) < 2_000


def delimited(number: int, content: bytes) -> bytes:
    """Encode a length-delimited field of protobuf by hand."""
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def in_json(records: bytes) -> bytes:
    return b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[%b]}]}]}' % records


FULL = 16 * MIB - 100
ARRAYS = b'{"arrayValue":{}},' * 14_000
HOSTILE: dict[str, Callable[[], tuple[bytes, dict[str, str]]]] = {
    "records": lambda: (delimited(1, delimited(2, b"\x12\x00" * (FULL // 2))), PROTOBUF),
    "resources": lambda: (b"\x0a\x00" * (FULL // 2), PROTOBUF),
    "unknown": lambda: (b"\x78\x01" * (FULL // 2), PROTOBUF),
    "values": lambda: (
        delimited(
            1, delimited(2, delimited(2, delimited(5, delimited(5, b"\x0a\x00" * (FULL // 2)))))
        ),
        PROTOBUF,
    ),
    "many values": lambda: (
        delimited(1, delimited(2, delimited(2, delimited(5, delimited(5, b"\x0a\x00" * 120_000))))),
        PROTOBUF,
    ),
    "numbers in JSON": lambda: (in_json(b"0," * (FULL // 2) + b"0"), JSON),
    "records in JSON": lambda: (in_json(b"{}," * (FULL // 3) + b"{}"), JSON),
    "arrays in JSON": lambda: (in_json(b'{"a":[' + b"[]," * (FULL // 3) + b"0]}"), JSON),
    "deep JSON": lambda: (in_json(b"[" * FULL), JSON),
    "quotes": lambda: (in_json(b'"\\"' * (FULL // 3)), JSON),
    "strings in JSON": lambda: (b'{"resourceLogs":[' + b'"",,' * (FULL // 4), JSON),
    "deep strings in JSON": lambda: (b'{"x":' + b"[" * 7 + b'"",' * (FULL // 3), JSON),
    "names in JSON": lambda: (in_json(b"{" + b'"":0,' * (FULL // 5) + b'"":0}'), JSON),
    "resources in JSON": lambda: (b'{"resourceLogs":[' + b"{}," * 2_000_000 + b"{}]}", JSON),
    "scopes in JSON": lambda: (
        b'{"resourceLogs":[{"scopeLogs":[' + b"{}," * 2_000_000 + b"{}]}]}",
        JSON,
    ),
    "scopes": lambda: (delimited(1, b"\x12\x00" * 99_000), PROTOBUF),
    "values in records": lambda: (
        delimited(1, delimited(2, delimited(2, b"\x32\x00" * 120_000) * 68)),
        PROTOBUF,
    ),
    "faults in records": lambda: (export(9_000, "\0" * 1_500), PROTOBUF),
    "values in records in JSON": lambda: (
        in_json(b",".join([b'{"attributes":[' + b"{}," * 80_000 + b"{}]}"] * 68)),
        JSON,
    ),
    "arrays in records in JSON": lambda: (
        in_json(b",".join([b'{"body":{"arrayValue":{"values":[%b{}]}}}' % ARRAYS] * 64)),
        JSON,
    ),
    "escapes": lambda: (b'{"x":"' + b"\\\\" * (FULL // 2), JSON),
    "surrogate pairs": lambda: (b'{"x":"' + rb"\ud83d\ude00" * (FULL // 12), JSON),
    "wide text": lambda: (b'{"x":"\xf0\x9f\x98\x80' + b"x" * FULL + b'"}', JSON),
    "a wide schema URL": lambda: (
        b'{"resourceLogs":[{"schemaUrl":"\xf0\x9f\x98\x80' + b"x" * FULL + b'"}]}',
        JSON,
    ),
    "a schema URL": lambda: (
        delimited(1, delimited(3, b"\xf0\x9f\x98\x80" + b"x" * FULL) + delimited(2, b"")),
        PROTOBUF,
    ),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_body_of_tiny_parts_only_is_answered_within_bounds(
    running: Service, name: str, packed: bool
) -> None:
    body, headers = HOSTILE[name]()
    content = gzip.compress(body, 6) if packed else body
    headers = headers | ({"content-encoding": "gzip"} if packed else {})
    (api,) = running.apis
    before = cpu_seconds(api.pid)
    with within_bounds(running) as probe:
        answer = running.http.post("/v1/logs", content=content, headers=headers)
        assert answer.status_code in (200, 400, 413)
    busy = cpu_seconds(api.pid) - before
    print(f"busy for {busy:.1f} s of CPU, {busy / probe.unit:.0f} units")
    assert busy < BUSY_UNITS * probe.unit


@fuzz(200)
@given(mutations([export(3, "text")]))
def test_an_export_in_protobuf_that_was_garbled_is_answered(running: Service, body: bytes) -> None:
    assert running.http.post("/v1/logs", content=body, headers=PROTOBUF).status_code in (200, 400)


_RECORD = {
    "timeUnixNano": "1",
    "body": {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": 5}}]}},
    "attributes": [{"key": "a", "value": {"arrayValue": {"values": [{"doubleValue": 0.5}]}}}],
}


@fuzz(200)
@given(mutations([in_json(json.dumps(_RECORD).encode())]))
def test_an_export_in_json_that_was_garbled_is_answered(running: Service, body: bytes) -> None:
    assert running.http.post("/v1/logs", content=body, headers=JSON).status_code in (200, 400)
