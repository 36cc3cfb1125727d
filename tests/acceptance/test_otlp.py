"""Send OpenTelemetry logs over HTTP, by the official SDK and by hand."""

import gzip
import json
import math
import secrets
from typing import Any

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.otlp import sdk
from tests.support.problems import problem

JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}

# examples/logs.json of opentelemetry-proto, without white space
EXAMPLE = json.loads("""{"resourceLogs": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]},
  "scopeLogs": [{
    "scope": {"name": "my.library", "version": "1.0.0", "attributes": [
      {"key": "my.scope.attribute", "value": {"stringValue": "some scope attribute"}}]},
    "logRecords": [{
      "timeUnixNano": "1544712660300000000",
      "observedTimeUnixNano": "1544712660300000000",
      "severityNumber": 10,
      "severityText": "Information",
      "traceId": "5B8EFFF798038103D269B633813FC60C",
      "spanId": "EEE19B7EC3C1B174",
      "body": {"stringValue": "Example log record"},
      "attributes": [
        {"key": "string.attribute", "value": {"stringValue": "some string"}},
        {"key": "boolean.attribute", "value": {"boolValue": true}},
        {"key": "int.attribute", "value": {"intValue": "10"}},
        {"key": "double.attribute", "value": {"doubleValue": 637.704}},
        {"key": "array.attribute", "value": {"arrayValue": {"values": [
          {"stringValue": "many"}, {"stringValue": "values"}]}}},
        {"key": "map.attribute", "value": {"kvlistValue": {"values": [
          {"key": "some.map.key", "value": {"stringValue": "some value"}}]}}}]}]}]}]}""")


def post(
    running: Service, body: bytes | dict[str, Any], headers: dict[str, str] = JSON, path: str = ""
) -> httpx.Response:
    content = json.dumps(body) if isinstance(body, dict) else body
    return running.http.post(path or "/v1/logs", content=content, headers=headers)


def stored(running: Service, count: int, **filters: Any) -> list[dict[str, Any]]:
    """Return exactly that many events, in the order of their arrival."""
    filters = {"limit": 1000, "order": "asc", **filters}
    wait_until(lambda: len(running.events(**filters)) == count, f"{count} events of {filters}")
    return running.events(**filters)


# --- the official SDK --------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_what_the_sdk_logs_is_found_as_events(running: Service, compression: Compression) -> None:
    component = f"sdk-{compression.value}-{secrets.token_hex(4)}"
    attributes: dict[str, Any] = {
        "user.email": "jo@example.com",
        "n": 2**63 - 1,
        "half": 0.5,
        "none": math.nan,
        "flags": [True, False],
        "raw": b"\x00\xff",
    }
    with sdk(running, component, compression, max_export_batch_size=100) as (provider, answers):
        logger = provider.get_logger("lib", "1.2", attributes={"scoped": True})
        for number in range(250):
            logger.emit(
                timestamp=1_544_712_660_300_000_000 + number,
                observed_timestamp=1_544_712_660_300_000_001,
                severity_number=SeverityNumber.ERROR,
                severity_text="ERROR",
                body=f"message {number}",
                attributes=attributes,
            )
        logger.emit(body={"paid": {"amount": 12.5, "lines": [1, None]}}, event_name="invoice.paid")
        assert provider.force_flush()
    assert [answer.status_code for answer in answers] == [200] * 3
    for answer in answers:
        assert answer.headers["content-type"] == "application/x-protobuf"
        assert answer.request.headers.get("content-encoding", "none") in (compression.value, "none")
        assert not ExportLogsServiceResponse.FromString(answer.content).HasField("partial_success")
    *found, last = stored(running, 251, component=component)
    assert [event["message"] for event in found] == [f"message {number}" for number in range(250)]
    assert {event["environment"] for event in found} == {"tests"}
    assert {event["email"] for event in found} == {"jo@example.com"}
    data = found[7]["data"]
    assert data["time"] == "2018-12-13T14:51:00.300000007Z"
    assert (data["severity_number"], data["severity_text"]) == (17, "ERROR")
    assert data["attributes"] == {**attributes, "none": "NaN", "raw": "AP8="}
    assert data["scope"] == {"name": "lib", "version": "1.2", "attributes": {"scoped": True}}
    assert data["resource"]["attributes"]["service.name"] == component
    assert last["message"] == "invoice.paid"
    assert last["data"]["body"] == {"paid": {"amount": 12.5, "lines": [1, None]}}
    by_attribute = {"data": '{"attributes":{"n":9223372036854775807}}', "component": component}
    assert len(running.events(**by_attribute, limit=1000)) == 250
    assert (
        len(running.events(**{"data.severity_number": 17}, component=component, limit=1000)) == 250
    )


def test_records_that_cannot_be_stored_are_counted_and_the_others_kept(running: Service) -> None:
    component = f"partial-{secrets.token_hex(4)}"
    with sdk(running, component, Compression.Gzip) as (provider, answers):
        logger = provider.get_logger("lib")
        for body in ("one", "t\0o", "x" * 300_000, "four"):
            logger.emit(body=body)
        assert provider.force_flush()
    (answer,) = answers
    assert answer.status_code == 200
    partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
    assert partial.rejected_log_records == 2
    assert partial.error_message.startswith("2 of 4 log records were not kept: ")
    assert "record 1: as an event, /message contains a NUL character" in partial.error_message
    assert "record 2: it has 300" in partial.error_message
    found = stored(running, 2, component=component)
    assert [event["message"] for event in found] == ["one", "four"]


# --- by hand -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/logs", "/v1/logs/", "/api/v1/logs", "/api/v1/logs/"])
def test_the_protocols_own_example_in_json_is_found_as_an_event(
    running: Service, path: str
) -> None:
    before = len(running.events(component="my.service"))
    answer = post(running, EXAMPLE, {"content-type": "application/json; charset=utf-8"}, path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {}
    found = stored(running, before + 1, component="my.service")[-1]
    assert (found["environment"], found["message"]) == ("default", "Example log record")
    assert found["data"] == {
        "time": "2018-12-13T14:51:00.300000000Z",
        "observed_time": "2018-12-13T14:51:00.300000000Z",
        "severity_number": 10,
        "severity_text": "Information",
        "trace_id": "5b8efff798038103d269b633813fc60c",
        "span_id": "eee19b7ec3c1b174",
        "attributes": {
            "string.attribute": "some string",
            "boolean.attribute": True,
            "int.attribute": 10,
            "double.attribute": 637.704,
            "array.attribute": ["many", "values"],
            "map.attribute": {"some.map.key": "some value"},
        },
        "scope": {
            "name": "my.library",
            "version": "1.0.0",
            "attributes": {"my.scope.attribute": "some scope attribute"},
        },
        "resource": {"attributes": {"service.name": "my.service"}},
    }


def test_an_empty_request_is_a_success(running: Service) -> None:
    for body, headers, whole in ((b"{}", JSON, b"{}\n"), (b"", PROTOBUF, b"")):
        answer = post(running, body, headers)
        assert (answer.status_code, answer.content) == (200, whole)


def status_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Return the google.rpc.Status of an error, in the encoding of the request."""
    assert answer.status_code == status, answer.content
    assert answer.headers["content-type"] == answer.request.headers["content-type"]
    if answer.headers["content-type"] == "application/json":
        return dict(answer.json())
    sent = Status.FromString(answer.content)
    return {"code": sent.code, "message": sent.message, "details": list(sent.details)}


@pytest.mark.parametrize("headers", [JSON, PROTOBUF], ids=["json", "protobuf"])
def test_errors_are_a_status_in_the_requests_own_encoding(
    running: Service, headers: dict[str, str]
) -> None:
    bad = status_of(post(running, b"\xff", headers), 400)
    assert bad["code"] == 3
    assert bad["message"]
    assert len(bad["details"]) == 1
    packed = {**headers, "content-encoding": "gzip"}
    assert "gzip" in status_of(post(running, b"no gzip", packed), 400)["message"]
    bomb = gzip.compress(b"\0" * (17 << 20))
    assert "larger than" in status_of(post(running, bomb, packed), 413)["message"]
    other = {**headers, "content-encoding": "br"}
    assert "br" in status_of(post(running, b"x", other), 415)["message"]


def test_too_many_records_are_refused_as_a_whole(running: Service) -> None:
    sent = ExportLogsServiceRequest()
    inner = sent.resource_logs.add().scope_logs.add()
    for _ in range(10_001):
        inner.log_records.add().body.string_value = "one too many"
    told = status_of(post(running, sent.SerializeToString(), PROTOBUF), 413)
    assert told["message"] == "The request has more than 10000 log records."
    del inner.log_records[0]
    assert post(running, sent.SerializeToString(), PROTOBUF).status_code == 200
    assert len(running.events(message="one too many")) in range(10_001)


def test_other_media_types_and_methods_are_refused_as_everywhere(running: Service) -> None:
    for content_type in ("text/plain", "application/protobuf", ""):
        problem(post(running, b"{}", {"content-type": content_type}), 415)
    answer = running.http.get("/v1/logs")
    assert answer.headers["allow"] == "POST, OPTIONS"
    problem(answer, 405)


def test_deep_and_odd_bodies_are_answered(running: Service) -> None:
    deep = b"[" * 300_000
    assert post(running, b'{"resourceLogs":' + deep, JSON).status_code == 400
    assert post(running, b'{"x":' + deep, JSON).status_code == 400
    records = b"\x12\x00" * 500_000
    inner = b"\x12" + length(records) + records
    assert post(running, b"\x0a" + length(inner) + inner, PROTOBUF).status_code == 413
    assert running.http.get("/health").status_code == 200


def length(content: bytes) -> bytes:
    """Encode a length as a varint."""
    size, out = len(content), b""
    while size > 127:
        out += bytes([size & 127 | 128])
        size >>= 7
    return out + bytes([size])


def test_while_the_queue_is_away_nothing_is_acknowledged(running: Service) -> None:
    """Use a queue that is not there: the answer is retryable."""
    away = running.settings.model_copy(update={"queue_url": "redis://127.0.0.1:1/0"})
    with service(away, workers=0, probe="/health") as lonely:
        for headers in (JSON, PROTOBUF):
            body = json.dumps(EXAMPLE).encode()
            if headers is PROTOBUF:
                sent = ExportLogsServiceRequest()
                sent.resource_logs.add().scope_logs.add().log_records.add()
                body = sent.SerializeToString()
            answer = post(lonely, body, headers)
            assert status_of(answer, 503)["code"] == 14
            assert int(answer.headers["retry-after"]) >= 1
