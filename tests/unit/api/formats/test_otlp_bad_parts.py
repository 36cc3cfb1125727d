"""One bad record, resource or scope of an export costs no other."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from api.formats.otlp import export as otlp
from api.formats.otlp.encodings import JSON, PROTOBUF
from tests.support.otlp_requests import BOUNDS, log_record, read, request


def resource_logs(service: str, *texts: bytes, resource: bytes = b"", scope: bytes = b"") -> bytes:
    """One ResourceLogs in JSON, by hand: the bodies are these texts."""
    attribute = b'{"key":"service.name","value":{"stringValue":"%b"}}' % service.encode()
    told = b",".join(b'{"body":{"stringValue":"ok"},"attributes":[%b]}' % text for text in texts)
    return (
        b'{"resource":{"attributes":[%b]%b},"scopeLogs":[{"scope":{"name":"s"%b},"logRecords":[%b]}]}'
        % (attribute, resource, scope, told)
    )


def attribute(value: bytes) -> bytes:
    return b'{"key":"k","value":%b}' % value


GOOD = attribute(b'{"stringValue":"\\ud83d\\ude00 \\\\ud83d [{"}')
BAD = {
    "half of a surrogate pair": b'{"stringValue":"cut \\ud83d"}',
    "the other half": b'{"stringValue":"\\uDE00"}',
    "two halves in the wrong order": b'{"stringValue":"\\ude00\\ud83d"}',
    "NUL": b'{"stringValue":"\\u0000"}',
    "bytes that are not UTF-8": b'{"stringValue":"\xff"}',
    "a surrogate's bytes": b'{"stringValue":"\xed\xa0\xbd"}',
    "a name that is not UTF-8": b'{"kvlistValue":{"values":[{"key":"\xc3"}]}}',
    "an unknown escape": b'{"stringValue":"\\q"}',
    "a line feed in a text": b'{"stringValue":"a\nb"}',
    "NaN": b'{"doubleValue":NaN}',
    "an infinity": b'{"doubleValue":-Infinity}',
    "too large a number": b'{"intValue":1e999}',
    "an integer of more than 64 bits": b'{"intValue":"9223372036854775808"}',
    "a number that is none": b'{"intValue":01}',
    "a comma too many": b'{"intValue":1,}',
    "too deep": b'{"arrayValue":{"values":[' * 65 + b"]}}" * 65,
    "deeper than any parser goes": b"[" * 20_000 + b"]" * 20_000,
    "too large": b'{"stringValue":"%b"}' % (b"x" * BOUNDS.record_bytes),
    "no object": b"7",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_record_that_cannot_be_kept_costs_no_other(bad: bytes) -> None:
    groups = resource_logs("one", GOOD, attribute(bad), GOOD) + b"," + resource_logs("two", GOOD)
    export = otlp.read(b'{"resourceLogs":[%b]}' % groups, JSON, BOUNDS)
    assert [event.component for event in export.events] == ["one", "one", "two"]
    assert export.refused == 1
    assert "record 1: " in export.why()


@pytest.mark.parametrize("part", ["resource", "scope"])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_resource_or_scope_that_cannot_be_kept_costs_only_its_own_records(
    part: str, bad: bytes
) -> None:
    more = {part: b',"attributes":[%b]' % attribute(bad)}
    groups = b",".join(
        [resource_logs("one", GOOD), resource_logs("two", GOOD, **more), resource_logs("3", GOOD)]
    )
    export = otlp.read(b'{"resourceLogs":[%b]}' % groups, JSON, BOUNDS)
    assert [event.component for event in export.events] == ["one", "3"]
    assert export.refused == 1


@pytest.mark.parametrize("url", [rb"\ud83d", b"\xff", rb"\u0000"])
@pytest.mark.parametrize("broken", [b'{"stringValue":"b"}', b"NaN"])
def test_a_schema_url_that_cannot_be_kept_costs_only_its_own_records(
    url: bytes, broken: bytes
) -> None:
    one, two = resource_logs("one", GOOD), resource_logs("two", attribute(broken), GOOD)
    body = b'{"resourceLogs":[%b,"schemaUrl":"%b"},%b]}' % (one[:-1], url, two)
    export = otlp.read(body, JSON, BOUNDS)
    assert {event.component for event in export.events} == {"two"}
    assert export.refused == 1 + (broken == b"NaN")


def test_text_that_looks_like_a_record_is_none() -> None:
    text = b'{"key":"]}","value":{"stringValue":"}]}]}]}\\\\"}}'
    body = b'{"x":[[{"y":{}}]],"resourceLogs":[%b,%b]}' % (
        resource_logs("one", text, attribute(b"NaN")),
        resource_logs("two", GOOD),
    )
    export = otlp.read(body, JSON, BOUNDS)
    assert [event.component for event in export.events] == ["one", "two"]
    assert b"}]}]}]}" in bytes(export.events[0].data)


def test_a_byte_order_mark_before_a_request_is_skipped() -> None:
    body = b'\xef\xbb\xbf{"resourceLogs":[%b]}' % resource_logs("one", GOOD)
    assert len(otlp.read(body, JSON, BOUNDS).events) == 1
    assert len(otlp.read(bytearray(body), JSON, BOUNDS).events) == 1


PROTOBUF_BAD = {
    "NUL": log_record("a\0b"),
    "too large": log_record("x" * BOUNDS.record_bytes),
}


@pytest.mark.parametrize("bad", PROTOBUF_BAD.values(), ids=PROTOBUF_BAD)
def test_a_record_in_protobuf_that_cannot_be_kept_costs_no_other(bad: LogRecord) -> None:
    export = read(request(log_record("a"), bad, log_record("b")), PROTOBUF)
    assert [event.message for event in export.events] == ["a", "b"]
    assert export.refused == 1


def delimited(number: int, content: bytes) -> bytes:
    """Return a field of protobuf, by hand."""
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return bytes([number << 3 | 2]) + length + content


def test_a_record_in_protobuf_that_is_too_deep_costs_no_other() -> None:
    value = b""
    for _ in range(150):
        value = delimited(5, delimited(1, value))  # AnyValue.array_value, ArrayValue.values
    good = log_record("a").SerializeToString()
    texts = [delimited(2, text) for text in (good, delimited(5, value), good)]
    body = delimited(1, delimited(2, b"".join(texts)))
    export = otlp.read(body, PROTOBUF, BOUNDS)
    assert [event.message for event in export.events] == ["a", "a"]


@pytest.mark.parametrize("text", [b"cut \xed\xa0\xbd", b"\xff"])
def test_text_in_protobuf_that_is_not_utf_8_costs_only_its_records(text: bytes) -> None:
    spoilt = b"x" * len(text)
    whole = request(log_record("a"), log_record(spoilt.decode()), log_record("b"))
    export = otlp.read(whole.SerializeToString().replace(spoilt, text), PROTOBUF, BOUNDS)
    assert [event.message for event in export.events] == ["a", "b"]
    sent = [request(log_record("a"), of_resource={"k": spoilt.decode()}), request(log_record("b"))]
    body = b"".join(one.SerializeToString().replace(spoilt, text) for one in sent)
    assert [event.message for event in otlp.read(body, PROTOBUF, BOUNDS).events] == ["b"]


@given(
    st.lists(
        st.lists(st.sampled_from([GOOD, *map(attribute, BAD.values())]), max_size=4), max_size=4
    )
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_every_good_record_is_kept_whatever_stands_around_it(groups: list[list[bytes]]) -> None:
    body = b",".join(resource_logs("c", *texts) for texts in groups)
    export = otlp.read(b'{"resourceLogs":[%b]}' % body, JSON, BOUNDS)
    good = sum(text is GOOD for texts in groups for text in texts)
    assert len(export.events) == good
    assert export.refused == sum(map(len, groups)) - good
