"""OTLP log records become events: the same from protobuf and from JSON."""

import math
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from api.formats.otlp.encodings import Encoding
from tests.support.otlp_requests import (
    BOTH,
    SPAN,
    TRACE,
    data,
    key_values,
    log_record,
    only,
    read,
    request,
)


def full_request() -> ExportLogsServiceRequest:
    """Return a request of one record in which every field is set."""
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
    return sent


@BOTH
def test_a_full_record_is_kept_with_everything_it_says(encoding: Encoding) -> None:
    (event,) = read(full_request(), encoding).events
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
