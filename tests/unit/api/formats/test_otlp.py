"""OTLP log records become events: the same from protobuf and from JSON, and each on its own."""

import base64
import json
import math
import resource
import struct
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, Parse
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from api.formats.native_fast import EventIn
from api.formats.otlp import export as otlp
from api.formats.otlp.encodings import JSON, PROTOBUF, Encoding
from api.formats.otlp.export import Bounds, Export
from api.formats.otlp.responses import accepted, failed
from api.http.problems import Problem

LIMIT = 256 * 1024
BOUNDS = Bounds(10_000, LIMIT, 32 * 1024 * 1024)
BOTH = pytest.mark.parametrize("encoding", [JSON, PROTOBUF], ids=["JSON", "protobuf"])

TRACE, SPAN = bytes(range(1, 17)), bytes(range(1, 9))


def any_value(value: Any) -> AnyValue:
    """A Python value as OpenTelemetry has it."""
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
    """The event of one record, that is kept."""
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


# --- the mapping -------------------------------------------------------------------------------


@BOTH
def test_a_full_record_is_kept_with_everything_it_says(encoding: Encoding) -> None:
    sent = request(
        log_record(
            "paid",
            {"user.email": "jo@example.com", "n": 2**63 - 1, "raw": b"\0\xff"},
            time_unix_nano=1_544_712_660_300_000_001,
            observed_time_unix_nano=2**64 - 1,
            severity_number=10,
            severity_text="Information",
            dropped_attributes_count=2,
            flags=0x101,
            trace_id=TRACE,
            span_id=SPAN,
            event_name="invoice.paid",
        ),
        of_resource={"service.name": "billing", "deployment.environment.name": "production"},
        of_scope={"s": True},
    )
    group = sent.resource_logs[0]
    group.resource.dropped_attributes_count = 3
    group.schema_url, group.scope_logs[0].schema_url = "https://a/1", "https://a/2"
    scope = group.scope_logs[0].scope
    scope.name, scope.version, scope.dropped_attributes_count = "lib", "1.0", 4
    (event,) = read(sent, encoding).events
    assert (event.component, event.environment, event.message, event.email) == (
        "billing",
        "production",
        "paid",
        "jo@example.com",
    )
    assert data(event) == {
        "time": "2018-12-13T14:51:00.300000001Z",
        "observed_time": "2554-07-21T23:34:33.709551615Z",
        "severity_number": 10,
        "severity_text": "Information",
        "event_name": "invoice.paid",
        "attributes": {"user.email": "jo@example.com", "n": 2**63 - 1, "raw": "AP8="},
        "dropped_attributes_count": 2,
        "trace_id": TRACE.hex(),
        "span_id": SPAN.hex(),
        "flags": 257,
        "scope": {
            "name": "lib",
            "version": "1.0",
            "attributes": {"s": True},
            "dropped_attributes_count": 4,
            "schema_url": "https://a/2",
        },
        "resource": {
            "attributes": {"service.name": "billing", "deployment.environment.name": "production"},
            "dropped_attributes_count": 3,
            "schema_url": "https://a/1",
        },
    }


def test_an_empty_record_is_an_event_too() -> None:
    event = only(log_record())
    assert (event.component, event.environment, event.message, event.email) == (
        "unknown_service",
        "default",
        "(no message)",
        None,
    )
    assert data(event) == {}


@pytest.mark.parametrize(
    ("attributes", "component", "environment"),
    [
        ({"service.name": "a", "deployment.environment": "old"}, "a", "old"),
        ({"deployment.environment": "old", "deployment.environment.name": "new"}, None, "new"),
        ({"service.name": " ", "deployment.environment.name": ""}, None, None),
        ({"service.name": 5, "deployment.environment.name": ["x"]}, None, None),
    ],
)
def test_component_and_environment_are_of_the_resource(
    attributes: dict[str, Any], component: str | None, environment: str | None
) -> None:
    event = only(log_record("m"), of_resource=attributes)
    assert event.component == (component or "unknown_service")
    assert event.environment == (environment or "default")
    assert data(event)["resource"]["attributes"] == attributes


@pytest.mark.parametrize(
    ("sent", "message", "body"),
    [
        (log_record("text", event_name="e", severity_text="WARN"), "text", None),
        (log_record({"a": [1, None]}, event_name="e"), "e", {"a": [1, None]}),
        (log_record({"a": 1}, {"event.name": "old"}), "old", {"a": 1}),
        (log_record({"a": 1}, {"event.name": "old"}, event_name="e"), "e", {"a": 1}),
        (log_record({"a": [1.5, "ü"]}, severity_text="WARN"), '{"a":[1.5,"ü"]}', {"a": [1.5, "ü"]}),
        (log_record(False), "false", False),
        (log_record(0), "0", 0),
        (log_record([]), "[]", []),
        (log_record("", severity_text="WARN"), "WARN", ""),
        (log_record(" ", event_name=" ", severity_text=" "), "(no message)", " "),
        (log_record(math.nan), "NaN", None),
    ],
)
@BOTH
def test_the_message_is_the_first_thing_that_people_can_read(
    encoding: Encoding, sent: LogRecord, message: str, body: Any
) -> None:
    event = only(sent, encoding)
    assert event.message == message
    kept = data(event).get("body")
    assert kept == body
    assert type(kept) is type(body)


@pytest.mark.parametrize(
    ("attributes", "email"),
    [
        ({"user.email": "jo@example.com", "enduser.id": "al@example.com"}, "jo@example.com"),
        ({"user.email": "nobody", "enduser.id": "al@example.com"}, "al@example.com"),
        ({"user.email": 5, "enduser.id": "al"}, None),
        ({"user.email": f"{'x' * 250}@example.com"}, None),
    ],
)
def test_an_address_is_taken_when_it_is_one(attributes: dict[str, Any], email: str | None) -> None:
    event = only(log_record("m", attributes))
    assert event.email == email
    assert data(event)["attributes"] == attributes


@BOTH
@pytest.mark.parametrize(
    ("number", "kept"),
    [
        (-(2**63), "-9223372036854775808"),
        (2**53 + 1, "9007199254740993"),
        (637.704, "637.704"),
        (-0.0, "-0.0"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e308"),
        (math.nan, '"NaN"'),
        (math.inf, '"Infinity"'),
        (-math.inf, '"-Infinity"'),
    ],
)
def test_numbers_keep_every_digit(encoding: Encoding, number: float, kept: str) -> None:
    event = only(log_record("m", {"n": number}), encoding)
    assert bytes(event.data) == b'{"attributes":{"n":%s}}' % kept.encode()


@BOTH
@pytest.mark.parametrize(
    ("trace_id", "span_id"), [(b"\0" * 16, b"\0" * 8), (TRACE[:15], SPAN + b"x"), (b"", b"")]
)
def test_an_id_that_is_none_is_as_if_it_were_not_given(
    encoding: Encoding, trace_id: bytes, span_id: bytes
) -> None:
    event = only(log_record("m", trace_id=trace_id, span_id=span_id), encoding)
    assert data(event) == {}


def test_a_reference_that_only_profiles_have_is_nothing() -> None:
    event = only(LogRecord(body=AnyValue(string_value_strindex=5)))
    assert data(event) == {}


@BOTH
def test_records_come_in_the_order_sent_whatever_they_belong_to(encoding: Encoding) -> None:
    sent = ExportLogsServiceRequest()
    for number in range(8):
        if number % 4 == 0:
            group = sent.resource_logs.add()
            group.resource.attributes.extend(key_values({"service.name": f"s{number}"}))
        if number % 2 == 0:
            inner = group.scope_logs.add()
            inner.scope.name = f"scope{number}"
        inner.log_records.append(log_record(f"m{number}"))
    found = [
        (event.component, data(event)["scope"]["name"], event.message)
        for event in read(sent, encoding).events
    ]
    assert found == [(f"s{n // 4 * 4}", f"scope{n // 2 * 2}", f"m{n}") for n in range(8)]


# --- JSON --------------------------------------------------------------------------------------


def test_json_is_read_as_the_protocol_says() -> None:
    export = of_json(
        {
            "timeUnixNano": 1544712660300000000,
            "observedTimeUnixNano": "1",
            "severityNumber": 99,
            "severityText": None,
            "unknownField": {"deep": [[[]]]},
            "trace_id": "5B8EFFF798038103D269B633813FC60C",
            "spanId": "EEE19B7EC3C1B174",
            "traceId": "not hexadecimal",
            "flags": "3",
            "droppedAttributesCount": 4.0,
            "attributes": [
                {"key": "string", "value": {"intValue": "-10"}},
                {"key": "number", "value": {"intValue": 10, "stringValue": None}},
                {"key": "half", "value": {"doubleValue": "0.5"}},
                {"key": "whole", "value": {"doubleValue": 2}},
                {"key": "url-safe", "value": {"bytesValue": "-_8"}},
                {"key": "standard", "value": {"bytesValue": "+/8="}},
                {"key": "unset", "value": {}},
                {"key": "missing"},
                {"value": {"boolValue": False}},
                {"key": "none", "value": {"arrayValue": {}}},
                {"key": "snake", "value": {"string_value": "x"}},
            ],
        }
    )
    (event,) = export.events
    assert data(event) == {
        "time": "2018-12-13T14:51:00.300000000Z",
        "observed_time": "1970-01-01T00:00:00.000000001Z",
        "severity_number": 99,
        "dropped_attributes_count": 4,
        "flags": 3,
        "span_id": "eee19b7ec3c1b174",
        "attributes": {
            "string": -10,
            "number": 10,
            "half": 0.5,
            "whole": 2.0,
            "url-safe": "+/8=",
            "standard": "+/8=",
            "unset": None,
            "missing": None,
            "": False,
            "none": [],
            "snake": None,
        },
    }


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("5", "Expected `object`, got `int`"),
        ("null", "Expected `object`, got `null`"),
        ({"severityNumber": "SEVERITY_NUMBER_INFO"}, "got `str` - at `$.severityNumber`"),
        (
            {"timeUnixNano": "yesterday"},
            "timeUnixNano in it is not an integer from 0 to 18446744073",
        ),
        ({"timeUnixNano": -1}, "timeUnixNano in it is not an integer"),
        ({"timeUnixNano": 2**64}, "timeUnixNano in it is not an integer"),
        ({"timeUnixNano": True}, "got `bool` - at `$.timeUnixNano`"),
        ({"flags": 2**32}, "flags in it is not an integer from 0 to 4294967295"),
        ({"body": {"intValue": 2**63}}, "intValue in it is not an integer"),
        ({"body": {"intValue": "9" * 5000}}, "intValue in it is not an integer"),
        ('{"body":{"intValue":%s}}' % ("9" * 5000), "out of range"),
        ({"body": {"intValue": 1.5}}, "intValue in it is not an integer"),
        ({"body": {"doubleValue": "1e999"}}, "doubleValue in it is not a 64-bit number"),
        ({"body": {"doubleValue": "0x1"}}, "doubleValue in it is not a 64-bit number"),
        ('{"body":{"doubleValue":1e999}}', "out of range"),
        ({"body": {"doubleValue": 10**400}}, "doubleValue in it is not a 64-bit number"),
        ({"body": {"bytesValue": "%"}}, "bytesValue in it is not base64"),
        ({"body": {"bytesValue": "A"}}, "bytesValue in it is not base64"),
        ({"body": {"stringValue": "a", "intValue": 1}}, "string_value, int_value"),
        ({"body": {"stringValue": "a\0b"}}, "/message contains a NUL character"),
        ({"body": {"stringValue": "😀\\ud800\0"}}, "/message contains a NUL character"),
        ({"attributes": [{"key": "\0"}]}, "its name contains a NUL character"),
        ({"attributes": {"a": 1}}, "Expected `array | null`, got `object` - at `$.attributes`"),
    ],
)
def test_a_record_that_json_can_get_wrong_is_refused_with_the_reason(
    record: dict[str, Any] | str, reason: str
) -> None:
    export = of_json(record)
    assert not export.events
    assert export.refused == 1
    assert reason in export.why()


def test_a_resource_that_can_not_be_read_refuses_its_records_and_no_others() -> None:
    good = {"scopeLogs": [{"logRecords": [{"body": {"stringValue": "good"}}]}]}
    number = {"attributes": [{"key": "n", "value": {"intValue": "x"}}]}
    bad = {"resource": number, "scopeLogs": [{"logRecords": [{}, {}]}]}
    worse = {"resource": 5, "scopeLogs": [{"logRecords": [{}]}]}
    body = json.dumps({"resourceLogs": [bad, good, worse]}).encode()
    export = otlp.read(body, JSON, BOUNDS)
    assert [event.message for event in export.events] == ["good"]
    assert export.refused == 3
    assert "record 0: of its resource, intValue in it" in export.why()
    assert "record 3: its resource can't be decoded: Expected `object | null`" in export.why()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b"null", "Expected `object`"),
        (b'{"resourceLogs":5}', "at `$.resourceLogs`"),
        (b'{"resourceLogs":[{"scopeLogs":[{"logRecords":{}}]}]}', "logRecords`"),
        (b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[]}]}],"a":NaN}', "malformed"),
        (b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"a":"\xff"}]}]}', "not UTF-8"),
        ('{"resourceLogs":[]}'.encode("utf-16"), "not UTF-8"),
        (b'{"resourceLogs":[{"resource":{"a":"\\ud800"}}]', "half of a surrogate pair"),
        (b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"a":"cut', "truncated"),
        (b'{"a":' + b"[" * 200_000, "nested too deep"),
    ],
)
def test_a_body_that_is_no_request_in_json_is_refused(body: bytes, why: str) -> None:
    problem = refusal(body, JSON)
    assert problem.status == 400
    assert why in problem.detail


# --- protobuf ----------------------------------------------------------------------------------


def delimited(number: int, content: bytes) -> bytes:
    """A length-delimited field, by hand."""
    length, size = b"", len(content)
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def enveloped(*records: bytes) -> bytes:
    return delimited(1, delimited(2, b"".join(delimited(2, record) for record in records)))


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


# --- bounds ------------------------------------------------------------------------------------


@BOTH
def test_no_records_are_no_events(encoding: Encoding) -> None:
    for sent in (
        ExportLogsServiceRequest(),
        request(),
        ExportLogsServiceRequest(resource_logs=[ResourceLogs()]),
    ):
        assert read(sent, encoding) == Export()


@BOTH
def test_so_many_records_are_taken_and_not_one_more(encoding: Encoding) -> None:
    sent = request(*[log_record("m")] * BOUNDS.records)
    assert len(read(sent, encoding).events) == BOUNDS.records
    sent.resource_logs.add().scope_logs.add().log_records.add()
    problem = refusal(encoded(sent, encoding), encoding)
    assert problem.status == 413
    assert str(BOUNDS.records) in problem.detail


@BOTH
def test_what_each_record_repeats_of_its_resource_is_bounded(encoding: Encoding) -> None:
    sent = request(*[log_record("m")] * 400, of_resource={"large": "x" * 100_000})
    problem = refusal(encoded(sent, encoding), encoding)
    assert problem.status == 413
    assert "As events" in problem.detail


HUGE = 16 * 1024 * 1024
MANY = {
    "records": (enveloped(*[b""] * (HUGE // 2)), PROTOBUF),
    "resources": (delimited(1, b"") * (HUGE // 2), PROTOBUF),
    "scopes": (delimited(1, delimited(2, b"") * (HUGE // 2)), PROTOBUF),
    "unknown fields": (b"\x78\x01" * (HUGE // 2), PROTOBUF),
    "values in an array": (
        enveloped(delimited(5, delimited(5, delimited(1, b"") * (HUGE // 2)))),
        PROTOBUF,
    ),
    "records in JSON": (
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b"0," * (HUGE // 2) + b"0]}]}]}",
        JSON,
    ),
    "resources in JSON": (b'{"resourceLogs":[' + b"{}," * (HUGE // 3) + b"{}]}", JSON),
    "two million resources in JSON": (b'{"resourceLogs":[' + b"{}," * 2_000_000 + b"{}]}", JSON),
    "strings in JSON": (b'{"resourceLogs":[' + b'"",,' * (HUGE // 4) + b"]}", JSON),
    "many records of many values": (
        enveloped(*[delimited(5, delimited(5, delimited(1, b"") * 100_000))] * 64),
        PROTOBUF,
    ),
    "records of many faults": (
        enveloped(*[delimited(5, delimited(5, delimited(1, b"\x0a\x01\0") * 300))] * 9_999),
        PROTOBUF,
    ),
    "unknown values in JSON": (b'{"x":[' + b"0," * (HUGE // 2) + b"0]}", JSON),
}


@pytest.mark.parametrize("name", MANY)
def test_a_body_of_nothing_but_tiny_parts_is_refused_without_being_built(name: str) -> None:
    body, encoding = MANY[name]
    before = resource.getrusage(resource.RUSAGE_SELF)
    try:
        assert otlp.read(body, encoding, BOUNDS).refused == 1  # one record, too large
    except Problem as problem:
        refused_as_a_whole = problem.status == 413
        assert refused_as_a_whole
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_maxrss - before.ru_maxrss < 100 * 1024  # KiB
    assert after.ru_utime - before.ru_utime < 3


@BOTH
def test_a_large_resource_of_many_scopes_is_read_once(encoding: Encoding) -> None:
    sent = request(of_resource={str(number): number for number in range(4_000)})
    sent.resource_logs[0].scope_logs.extend([ScopeLogs(schema_url="x")] * 10_000)
    body = encoded(sent, encoding)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    assert not otlp.read(body, encoding, BOUNDS).records
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 3


@BOTH
def test_so_many_resources_and_scopes_are_taken_and_not_one_more(encoding: Encoding) -> None:
    sent = ExportLogsServiceRequest(resource_logs=[ResourceLogs()] * (2 * BOUNDS.records - 1))
    sent.resource_logs[-1].scope_logs.add().log_records.add()
    assert len(read(sent, encoding).events) == 1
    for one_more in (sent.resource_logs, sent.resource_logs[0].scope_logs):
        one_more.add()
        problem = refusal(encoded(sent, encoding), encoding)
        assert problem.status == 413
        assert problem.detail == "The request has more than 20000 resources and scopes."
        del one_more[-1]


FEW = BOUNDS._replace(records=10)


@BOTH
@pytest.mark.parametrize("where", ["body", "attributes", "of_resource", "of_scope"])
def test_values_are_bounded_with_those_that_each_record_repeats(
    encoding: Encoding, where: str
) -> None:
    def sent(count: int) -> bytes:
        values = {"in": list(range(count - 10)), **{str(number): 0 for number in range(5)}}
        of_record = {where: values} if where in ("body", "attributes") else {}
        of_origin = {} if of_record else {where: values}
        made = request(*[log_record(**of_record)] * 10, **of_origin)
        return encoded(made, encoding)

    assert len(otlp.read(sent(80), encoding, FEW).events) == 10
    with pytest.raises(Problem) as caught:
        otlp.read(sent(105), encoding, FEW)
    assert caught.value.status == 413
    assert caught.value.detail == "The request has more than 1000 values."


@BOTH
def test_an_array_in_arrays_costs_as_much_as_two_values(encoding: Encoding) -> None:
    body = encoded(request(log_record([[]] * 490)), encoding)
    assert len(otlp.read(body, encoding, FEW).events) == 1
    with pytest.raises(Problem):
        otlp.read(encoded(request(log_record([[]] * 510)), encoding), encoding, FEW)


@BOTH
def test_faults_are_bounded(encoding: Encoding) -> None:
    bad = log_record(["\0"] * 45)
    export = otlp.read(encoded(request(bad, bad), encoding), encoding, FEW)
    assert export.refused == 2
    with pytest.raises(Problem) as caught:
        otlp.read(encoded(request(bad, bad, bad), encoding), encoding, FEW)
    assert caught.value.status == 413
    assert caught.value.detail == "The request has more than 100 faults."


@BOTH
def test_a_schema_url_may_be_as_large_as_an_event_too(encoding: Encoding) -> None:
    sent = request(log_record("m"))
    sent.resource_logs[0].schema_url = "u" * 1_000
    assert len(read(sent, encoding).events) == 1
    sent.resource_logs[0].schema_url = "u" * (LIMIT + 1)
    assert "its schema URL has 26" in read(sent, encoding).why()
    sent.resource_logs[0].schema_url = ""
    sent.resource_logs[0].scope_logs[0].schema_url = "u" * (LIMIT + 1)
    assert "its schema URL has 26" in read(sent, encoding).why()


def test_what_stands_between_resources_scopes_and_records_is_bounded_in_json() -> None:
    most = FEW.records * 40
    for start, end in (
        (b'{"resourceLogs":[', b"]}"),
        (b'{"resourceLogs":[{"scopeLogs":[', b"]}]}"),
        (b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[', b"]}]}]}"),
    ):
        with pytest.raises(Problem) as caught:
            otlp.read(start + b"{}," * (most + 1) + b"{}" + end, JSON, FEW)
        assert caught.value.status == 413
        assert caught.value.detail == "The request has more than 400 records, scopes and resources."
    unknown = b'{"x":{"resourceLogs":[[[[[' + b"{}," * (most + 1) + b"{}" + b"]]]]]}}"
    assert not otlp.read(unknown, JSON, FEW).records


@pytest.mark.parametrize("before", [rb"\\\\", rb"\ud83d\ude00", "ü".encode(), rb"\\ud800"])
def test_half_of_a_pair_is_told_wherever_it_stands_and_nothing_else_is(before: bytes) -> None:
    for many in (1, 200_000):
        for half in (rb"\ud83d", rb"\ude00", rb"\uD83D\u0041", rb"\ud83d\ud83d"):
            assert "half of a" in refusal(b'{"x":"' + before * many + half + b'"', JSON).detail
        assert "half of a" not in refusal(b'{"x":"' + before * many + b'"', JSON).detail


def test_text_with_many_commas_is_no_reason_to_refuse() -> None:
    record = {"body": {"stringValue": "1," * 100_000}}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record] * 25}]}]})
    assert len(otlp.read(body.encode(), JSON, BOUNDS).events) == 25


@BOTH
def test_a_record_may_be_as_large_as_an_event(encoding: Encoding) -> None:
    fits = log_record("x" * (LIMIT - 200))
    by_itself, as_event = log_record("x" * LIMIT), log_record("\x01" * (LIMIT // 4))
    export = read(request(by_itself, fits, as_event), encoding)
    assert len(export.events) == 1
    assert "record 0: it has 2" in export.why()
    assert "record 2: as an event it has " in export.why() or encoding == JSON
    assert f"at most {LIMIT} are kept" in export.why()


@BOTH
def test_a_resource_may_be_as_large_as_an_event(encoding: Encoding) -> None:
    export = read(request(log_record("m"), of_resource={"x": "y" * LIMIT}), encoding)
    assert export.refused == 1
    assert "its resource has 2" in export.why()


@BOTH
@pytest.mark.parametrize(("kind", "levels"), [("array", 45), ("map", 31)])
def test_deep_values_are_taken(encoding: Encoding, kind: str, levels: int) -> None:
    event = only(log_record("m", {"deep": nested(kind, levels)}), encoding)
    assert data(event)["attributes"]["deep"] == nested(kind, levels)


@pytest.mark.parametrize("kind", ["array", "map"])
def test_values_nested_deeper_than_json_may_be_are_refused(kind: str) -> None:
    deep, deeper = [json_of_nested(kind, levels) for levels in (62, 63)]
    export = of_json({"body": deep})
    assert export.events[0].message
    for value in (
        deeper,
        json_of_nested(kind, 75),
        json_of_nested(kind, 200),
        json_of_nested(kind, 230),
    ):
        export = of_json({"attributes": [{"key": "a", "value": value}]})
        assert export.refused == 1
        assert "nested deeper than 64 levels" in export.why()


def nested(kind: str, levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if kind == "array" else {"k": value}
    return value


def json_of_nested(kind: str, levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"intValue": 1}
    for _ in range(levels):
        if kind == "array":
            value = {"arrayValue": {"values": [value]}}
        else:
            value = {"kvlistValue": {"values": [{"key": "k", "value": value}]}}
    return value


@pytest.mark.parametrize("levels", [60, 1_000, 40_000])
def test_a_value_nested_very_deep_in_protobuf_spoils_no_other(levels: int) -> None:
    value = b"\x18\x01"
    for _ in range(levels):
        value = delimited(5, delimited(1, value))
    good = log_record("good").SerializeToString()
    export = otlp.read(
        enveloped(good, delimited(5, value)), PROTOBUF, BOUNDS._replace(record_bytes=8 * LIMIT)
    )
    assert [event.message for event in export.events] == ["good"]
    assert export.refused == 1


@BOTH
def test_names_that_are_too_long_are_told_with_the_record(encoding: Encoding) -> None:
    export = read(request(log_record("m"), of_resource={"service.name": "x" * 256}), encoding)
    assert export.why() == (
        "1 of 1 log records were not kept: "
        "record 0: as an event, /component string should have at most 255 characters"
    )


@BOTH
def test_only_the_first_reasons_are_told_and_none_at_length(encoding: Encoding) -> None:
    bad = log_record("\0" * 3, {"\0" * 300: "\0", "x": ["\0"] * 300})
    export = read(request(log_record("good"), *[bad] * 50, log_record("good")), encoding)
    assert len(export.events) == 2
    assert export.refused == 50
    why = export.why()
    assert why.startswith("50 of 52 log records were not kept: record 1: as an event, /message")
    assert "record 5:" in why
    assert "record 6:" not in why
    assert why.endswith("…; ...")
    assert len(why) < 1500


# --- answers -----------------------------------------------------------------------------------


def test_a_full_success_is_an_empty_response() -> None:
    assert accepted(PROTOBUF) == b""
    assert accepted(JSON) == b"{}\n"


def test_a_partial_success_has_the_count_and_the_reason() -> None:
    response = ExportLogsServiceResponse.FromString(accepted(PROTOBUF, 3, "why"))
    assert response.partial_success.rejected_log_records == 3
    assert response.partial_success.error_message == "why"
    assert json.loads(accepted(JSON, 3, "why")) == {
        "partialSuccess": {"rejectedLogRecords": "3", "errorMessage": "why"}
    }


@pytest.mark.parametrize(
    ("status", "code"), [(400, 3), (408, 4), (413, 3), (429, 8), (500, 13), (503, 14)]
)
def test_a_failure_is_a_status_in_the_encoding_asked_for(status: int, code: int) -> None:
    problem = Problem(status, "What is wrong.")
    sent = Status.FromString(failed(PROTOBUF, problem))
    assert (sent.code, sent.message) == (code, "What is wrong.")
    assert Parse(failed(JSON, problem), Status()) == sent
    assert len(sent.details) == (status == 400)
    if status == 400:
        details = BadRequest()
        assert sent.details[0].Unpack(details)
        assert details.field_violations[0].description == "What is wrong."


# --- properties --------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | texts
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
maps = st.dictionaries(texts, values, max_size=3)
stamps = st.integers(0, 2**64 - 1)
words = st.integers(0, 2**32 - 1)
records = st.builds(
    log_record,
    values,
    maps,
    time_unix_nano=stamps,
    observed_time_unix_nano=stamps,
    severity_number=st.integers(0, 24),
    severity_text=texts,
    dropped_attributes_count=words,
    flags=words,
    trace_id=st.binary(min_size=16, max_size=16) | st.binary(max_size=20),
    span_id=st.binary(min_size=8, max_size=8) | st.binary(max_size=20),
    event_name=texts,
)
requests = st.builds(
    lambda records, resource, scope: request(*records, of_resource=resource, of_scope=scope),
    st.lists(records, max_size=3),
    maps,
    maps,
)


def as_kept(value: Any) -> Any:
    """What JSON keeps of a value."""
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case list():
            return [as_kept(item) for item in value]
        case dict():
            return {name: as_kept(item) for name, item in value.items()}
    return value


@settings(max_examples=200, deadline=None)
@given(requests)
def test_protobuf_and_json_become_the_same_events(sent: ExportLogsServiceRequest) -> None:
    one, other = read(sent, PROTOBUF), read(sent, JSON)
    assert one.refused == other.refused == 0, one.why()
    for this, that in zip(one.events, other.events, strict=True):
        assert this == that
        assert bytes(this.data) == bytes(that.data)


@settings(max_examples=200, deadline=None)
@given(maps, values)
@pytest.mark.parametrize("encoding", [JSON, PROTOBUF])
def test_attributes_and_bodies_come_out_as_they_went_in(
    encoding: Encoding, attributes: dict[str, Any], body: Any
) -> None:
    event = only(log_record(body, attributes), encoding)
    kept = data(event)
    assert kept.get("attributes", {}) == as_kept(attributes)
    assert kept.get("body") == as_kept(body) or event.message == as_kept(body)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), requests, st.integers(0, 200), st.sampled_from([JSON, PROTOBUF]))
def test_any_bytes_are_taken_or_refused(
    junk: bytes, sent: ExportLogsServiceRequest, at: int, encoding: Encoding
) -> None:
    whole = encoded(sent, encoding)
    for body in (junk, whole[:at] + junk + whole[at:], whole[:at]):
        try:
            otlp.read(body, encoding, BOUNDS)
        except Problem as problem:
            status = problem.status
            assert status == 400
