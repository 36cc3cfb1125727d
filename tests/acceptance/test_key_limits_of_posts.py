"""A key with limits posts nothing outside of them, in whatever form."""

import json
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from api.formats.otlp.encodings import PROTOBUF
from tests.support import limited_keys
from tests.support.keys import client
from tests.support.limited_keys import ALL, ONE, PAY, READS_PAY, Limited, event
from tests.support.otlp_requests import log_record
from tests.support.otlp_requests import request as export_request
from tests.support.problems import problem

limited = limited_keys.limited


def native(sent: dict[str, object]) -> dict[str, Any]:
    return {"json": sent}


def structured(sent: dict[str, object]) -> dict[str, Any]:
    cloud = {
        "specversion": "1.0",
        "id": "1",
        "type": "t",
        "source": "/s",
        "component": sent["component"],
        "environment": sent["environment"],
        "data": {"message": "m"},
    }
    return {
        "content": json.dumps(cloud),
        "headers": {"content-type": "application/cloudevents+json"},
    }


def binary(sent: dict[str, object]) -> dict[str, Any]:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-type": "t",
        "ce-source": "/s",
        "ce-component": str(sent["component"]),
        "ce-environment": str(sent["environment"]),
        "content-type": "application/json",
    }
    return {"content": "{}", "headers": headers}


@pytest.mark.parametrize("form", [native, structured, binary])
@pytest.mark.parametrize(
    ("component", "environment", "refused"),
    [
        ("pay-a", "prod", None),
        ("web", "prod-eu", None),
        ("pay", "prod", "component"),
        ("web-1", "prod", "component"),
        ("PAY-a", "prod", "component"),
        ("pay-a", "test", "environment"),
    ],
)
def test_one_event_outside_is_refused_with_what_is_allowed(
    limited: Limited, form: Any, component: str, environment: str, refused: str | None
) -> None:
    with client(limited.running, PAY) as http:
        found = http.post("/events", **form(event(component, environment)))
    if refused is None:
        assert found.status_code == 202, found.text
        return
    detail = problem(found, 403)["detail"]
    assert f"`{refused}`" in detail
    assert ("`pay-*`, `web`" if refused == "component" else "`prod*`") in detail


BATCH = [event("pay-a"), event("pay"), event("web", "test"), event("web"), {"component": "x"}]


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("dry_run", [False, True])
def test_each_item_of_a_batch_has_its_own_verdict(
    limited: Limited, lines: bool, dry_run: bool
) -> None:
    sent: dict[str, Any] = {"json": BATCH}
    if lines:
        sent = {
            "content": "\n".join(map(json.dumps, BATCH)),
            "headers": {"content-type": "application/x-ndjson"},
        }
    with client(limited.running, PAY) as http:
        found = http.post("/events/batch", params={"dry_run": str(dry_run).lower()}, **sent)
    document = found.json()
    assert (document["accepted"], document["rejected"]) == (2, 3)
    statuses = [result.get("error", {}).get("status") for result in document["results"]]
    assert statuses == [None, 403, 403, None, 422]
    assert "`component`" in document["results"][1]["error"]["detail"]
    assert "`environment`" in document["results"][2]["error"]["detail"]


def test_an_atomic_batch_with_an_event_outside_is_refused_whole(limited: Limited) -> None:
    with client(limited.running, PAY) as http:
        found = http.post("/events/batch", params={"atomic": "true"}, json=BATCH[:2])
    document = problem(found, 422)
    statuses = [result["error"]["status"] for result in document["results"]]
    assert statuses == [424, 403]


def test_a_batch_of_events_outside_only_is_refused(limited: Limited) -> None:
    with client(limited.running, PAY) as http:
        found = http.post("/events/batch", json=[event("pay")] * 3)
    assert [each["error"]["status"] for each in problem(found, 422)["results"]] == [403] * 3


def test_log_records_outside_are_counted_as_rejected(limited: Limited) -> None:
    def export(service_name: str) -> bytes:
        origin = {"service.name": service_name, "deployment.environment.name": "prod"}
        sent = export_request(log_record("a"), log_record("b"), of_resource=origin)
        return sent.SerializeToString()

    with client(limited.running, PAY) as http:
        kind = {"content-type": PROTOBUF.media_type}
        found = http.post("/v1/logs", content=export("web") + export("pay"), headers=kind)
    assert found.status_code == 200
    partial = ExportLogsServiceResponse.FromString(found.content).partial_success
    assert partial.rejected_log_records == 2
    assert "`component`" in partial.error_message


def test_an_idempotency_key_belongs_to_the_api_key(limited: Limited) -> None:
    headers = {"idempotency-key": "the same"}
    with client(limited.running, ALL) as first, client(limited.running, PAY) as second:
        mine = first.post("/events", json=event("pay-a", data=1), headers=headers)
        theirs = second.post("/events", json=event("pay-a", data=2), headers=headers)
        again = second.post("/events", json=event("pay-a", data=2), headers=headers)
        same = first.post("/events", json=event("pay-a", data=1), headers=headers)
        other = first.post("/events", json=event("pay-a", data=3), headers=headers)
    assert (mine.status_code, theirs.status_code) == (202, 202)
    assert mine.json()["id"] != theirs.json()["id"]
    assert "idempotency-replayed" not in theirs.headers
    assert again.json() == theirs.json()
    assert same.json() == mine.json()
    problem(other, 422)


def test_a_read_key_posts_nothing_and_a_limited_one_waits_for_its_own(limited: Limited) -> None:
    with client(limited.running, READS_PAY) as http:
        problem(http.post("/events", json=event("pay-a")), 403)
    with client(limited.running, ONE) as http:
        problem(http.post("/events", params={"ack": "stored"}, json=event("web")), 403)
