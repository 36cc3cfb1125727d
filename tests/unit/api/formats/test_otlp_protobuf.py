"""OTLP in protobuf: a part that can't be decoded spoils no other."""

import struct

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs

from api.formats.otlp import export as otlp
from api.formats.otlp.encodings import PROTOBUF
from tests.support.otlp_requests import (
    BOUNDS,
    data,
    delimited,
    enveloped,
    key_values,
    log_record,
    refusal,
)


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0a\x02\x12\x05",
        b"\xff\xff",
        b"\x80" * 11,
        b"\x00\x00",
        b"\x0b\x0c",
        b"\x09\x01",
        b"\x0d\x01",
        b"\x0a" + b"\xff" * 9 + b"\x01",
        b"not protobuf at all",
        b'{"resourceLogs":[]}',
    ],
)
def test_a_body_that_is_no_request_in_protobuf_is_refused(body: bytes) -> None:
    problem = refusal(body, PROTOBUF)
    assert problem.status == 400
    assert problem.detail.startswith("The body is not an ExportLogsServiceRequest in protobuf")


def test_a_record_that_can_not_be_decoded_spoils_no_other() -> None:
    good = log_record("good").SerializeToString()
    body = enveloped(good, b"\xff", b"\x2a\x03\x0a\x01\xff", good)
    export = otlp.read(body, PROTOBUF, BOUNDS)
    assert [event.message for event in export.events] == ["good", "good"]
    assert export.refused == 2
    assert "record 1: it can't be decoded" in export.why()
    assert "record 2: it can't be decoded" in export.why()


def test_a_resource_that_can_not_be_decoded_refuses_its_records() -> None:
    records = delimited(2, delimited(2, b"") * 2)
    export = otlp.read(delimited(1, delimited(1, b"\xff") + records), PROTOBUF, BOUNDS)
    assert export.refused == 2
    assert "its resource can't be decoded" in export.why()
    export = otlp.read(delimited(1, delimited(3, b"\xff") + records), PROTOBUF, BOUNDS)
    assert "its schema URL is not UTF-8" in export.why()


def test_fields_that_are_unknown_or_come_in_parts_are_read_as_protobuf_says() -> None:
    one = ResourceLogs()
    one.resource.attributes.extend(key_values({"a": 1}))
    two = ResourceLogs()
    two.resource.attributes.extend(key_values({"service.name": "b"}))
    records = delimited(2, delimited(2, log_record("m").SerializeToString()))
    unknown = b"\x78\x96\x01" + b"\x79" + struct.pack("<d", 1.0) + b"\x7d" + b"abcd"
    parts = (
        unknown + records + one.SerializeToString() + delimited(9, b"x") + two.SerializeToString()
    )
    (event,) = otlp.read(delimited(1, parts), PROTOBUF, BOUNDS).events
    assert event.component == "b"
    assert data(event)["resource"]["attributes"] == {"a": 1, "service.name": "b"}
