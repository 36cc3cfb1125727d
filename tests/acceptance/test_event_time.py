"""Say when an event happened, in every format, and find events by it, over real HTTP."""

import json
import secrets
from typing import Any

import httpx
import pytest

from testbed.service import Service
from tests.support.problems import problem

ZONED, KEPT = "2026-04-16t14:30:00.2500009+02:00", "2026-04-16T12:30:00.250000Z"


def event(component: str, **fields: Any) -> dict[str, Any]:
    return {"component": component, "environment": "test", "message": "it happened", **fields}


def stored(running: Service, body: Any, path: str = "/events", **options: Any) -> httpx.Response:
    """Post and wait for the commit."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    options.setdefault("headers", {"content-type": "application/json"})
    answer = running.http.post(path, content=content, params={"ack": "stored"}, **options)
    assert answer.status_code == 201, answer.text
    return answer


def found(running: Service, **query: Any) -> list[dict[str, Any]]:
    answer = running.http.get("/events", params=query)
    assert answer.status_code == 200, answer.text
    events: list[dict[str, Any]] = answer.json()["events"]
    return events


@pytest.fixture
def component() -> str:
    return secrets.token_hex(8)


def test_it_is_answered_in_utc_with_microseconds_wherever_the_event_is(
    running: Service, component: str
) -> None:
    accepted = running.http.post("/events", json=event(component, occurred_at=ZONED))
    assert accepted.status_code == 202
    assert accepted.json()["occurred_at"] == KEPT
    again = stored(running, event(component, occurred_at=ZONED)).json()
    assert again["occurred_at"] == KEPT
    assert running.http.get(f"/events/{again['id']}").json() == again
    assert again in [{**one, "receipt": "stored"} for one in found(running, component=component)]
    assert running.http.get(accepted.headers["location"]).json()["occurred_at"] == KEPT


@pytest.mark.parametrize("fields", [{}, {"occurred_at": None}])
def test_an_event_without_it_is_answered_as_before(
    running: Service, component: str, fields: dict[str, None]
) -> None:
    names = {"id", "created_at", "component", "environment", "message", "email", "data"}
    assert set(running.http.post("/events", json=event(component, **fields)).json()) == names
    answer = stored(running, event(component, **fields)).json()
    assert set(answer) == {*names, "receipt"}
    assert all(set(one) == names for one in found(running, component=component))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-04-16T12:30:00", "RFC 3339"),
        ("2026-04-16", "RFC 3339"),
        ("2026-04-16 12:30:00Z", "RFC 3339"),
        ("", "RFC 3339"),
        ("now", "RFC 3339"),
        ("infinity", "RFC 3339"),
        ("0000-04-16T12:30:00Z", "years 1 to 9999"),
        ("0001-01-01T00:00:00+01:00", "years 1 to 9999"),
        ("9999-12-31T23:59:59-01:00", "years 1 to 9999"),
        ("2026-02-30T12:30:00Z", "day is out of range"),
        ("2026-04-16T24:00:00Z", "hour must be in"),
        ("2026-04-16T12:30:60Z", "second 60"),
        ("2026-04-16T12:30:00+24:00", "offset"),
    ],
)
def test_a_bad_one_is_refused_with_the_reason(running: Service, text: str, why: str) -> None:
    answer = running.http.post("/events", json=event("bad", occurred_at=text))
    (fault,) = problem(answer, 422)["errors"]
    assert fault["pointer"] == "/occurred_at"
    assert why in fault["detail"]


def test_a_number_is_refused(running: Service) -> None:
    (fault,) = problem(running.http.post("/events", json=event("bad", occurred_at=5)), 422)[
        "errors"
    ]
    assert fault["pointer"] == "/occurred_at"
    assert fault["detail"].startswith("must be a string, an instant of RFC 3339")


def test_batches_keep_it_and_a_dry_run_checks_it(running: Service, component: str) -> None:
    items = [event(component, occurred_at=ZONED), event(component)]
    lines = b"\n".join(json.dumps(item).encode() for item in items)
    stored(running, items, "/events/batch", headers={"content-type": "application/json"})
    stored(running, lines, "/events/batch", headers={"content-type": "application/x-ndjson"})
    times = [one.get("occurred_at") for one in found(running, component=component, order="asc")]
    assert times == [KEPT, None] * 2
    bad = [*items, event(component, occurred_at="yesterday")]
    dry = running.http.post("/events/batch", json=bad, params={"dry_run": "true"}).json()
    assert [one.get("valid", False) for one in dry["results"]] == [True, True, False]


def test_a_repeated_request_with_the_same_key_is_the_same_event(
    running: Service, component: str
) -> None:
    headers = {"idempotency-key": secrets.token_hex(8)}
    body = event(component, occurred_at=ZONED)
    for path, sent in (("/events", body), ("/events/batch", [body])):
        headers = {"idempotency-key": secrets.token_hex(8)}
        first = running.http.post(path, json=sent, headers=headers)
        second = running.http.post(path, json=sent, headers=headers)
        assert second.headers["idempotency-replayed"] == "true"
        assert second.json() == first.json()
        later = json.loads(json.dumps(sent).replace("14:30", "14:31"))
        problem(running.http.post(path, json=later, headers=headers), 422)


@pytest.mark.parametrize(
    ("time", "kept"),
    [(ZONED, KEPT), ("0000-01-01T00:00:00Z", None), ("2026-04-16T12:30:60Z", None)],
)
def test_the_time_of_a_cloud_event_fills_it_if_it_can_be_kept(
    running: Service, component: str, time: str, kept: str | None
) -> None:
    attributes = {"specversion": "1.0", "id": "1", "source": "/a", "type": component, "time": time}
    structured = {"content-type": "application/cloudevents+json"}
    assert stored(running, attributes, headers=structured).json().get("occurred_at") == kept
    binary = {f"ce-{name}": value for name, value in attributes.items()}
    assert stored(running, b"", headers=binary).json().get("occurred_at") == kept
    times = [one["data"]["time"] for one in found(running, component=component)]
    assert times == [time, time]


def test_the_time_of_a_log_record_fills_it_else_the_time_it_was_observed(
    running: Service, component: str
) -> None:
    records = [
        {"timeUnixNano": "1776342600250000999", "observedTimeUnixNano": "1776342700000000000"},
        {"observedTimeUnixNano": 1776342600250000000},
        {},
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": component}}]}
    body = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}
    assert running.http.post("/v1/logs", json=body).status_code == 200
    stored(running, event(component, occurred_at="2000-01-01T00:00:00-00:00"))
    times = [one.get("occurred_at") for one in found(running, component=component, order="asc")]
    assert times == [KEPT, KEPT, None, "2000-01-01T00:00:00.000000Z"]


def test_pages_are_filtered_by_when_events_happened(running: Service, component: str) -> None:
    for hour in (10, 11, 12):
        at = f"2020-04-16T{hour}:00:00Z"
        stored(running, event(component, message=str(hour), occurred_at=at))
    unsaid = stored(running, event(component, message="unsaid")).json()["created_at"]

    def messages(**query: str) -> list[str]:
        return [one["message"] for one in found(running, component=component, order="asc", **query)]

    assert messages(occurred_from="2020-04-16T11:00:00Z") == ["11", "12", "unsaid"]
    assert messages(occurred_to="2020-04-16T11:00Z") == ["10"]
    assert messages(occurred_from="04-16-2020", occurred_to="2020-04-16") == ["10", "11", "12"]
    assert messages(occurred_from="1587034800", occurred_to="1587038400") == ["11"]
    assert messages(occurred_from=unsaid) == ["unsaid"]
    assert messages(occurred_to="2019-01-01") == []


def test_a_window_of_occurred_at_is_never_closed_by_the_clock(
    running: Service, component: str
) -> None:
    """A later event may have happened long ago: the page must show it at once."""
    query = {"component": component, "occurred_to": "2020-01-01T00:00:00Z", "order": "asc"}
    for count in range(3):
        assert len(found(running, **query)) == count
        assert len(found(running, **query)) == count
        stored(running, event(component, occurred_at="2019-05-05T00:00:00Z"))


def test_a_window_that_ends_before_it_starts_is_refused(running: Service) -> None:
    query = {"occurred_from": "2021-01-02", "occurred_to": "2021-01-01"}
    (fault,) = problem(running.http.get("/events", params=query), 422)["errors"]
    assert fault == {"detail": "occurred_from is after occurred_to", "parameter": "occurred_from"}
