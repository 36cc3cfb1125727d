"""Test how far an acknowledgement reaches, and receipts for many events at once."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from storage.model.event import id_text, new_id, now_ms
from testbed.service import Service
from tests.support.problems import problem

SOME_ID = "01a20ccc-243d-722e-b400-a1ef838bcb1f"
EVENT: dict[str, Any] = {"component": "acks", "environment": "e", "message": "m", "data": 1.50}


def test_the_acknowledgement_is_queued_unless_stored_is_requested(running: Service) -> None:
    for path, body in (("/events", EVENT), ("/events/batch", [EVENT])):
        for query in ("", "?ack=queued", "?ack="):
            answer = running.http.post(path + query, json=body)
            assert (answer.status_code, answer.headers["activity-ack"]) == (202, "queued")
            assert "receipt" not in answer.text


def test_stored_is_found_by_queries_at_once(running: Service) -> None:
    for _ in range(20):
        answer = running.http.post("/events?ack=stored", json={**EVENT, "component": "at-once"})
        assert (answer.status_code, answer.headers["activity-ack"]) == (201, "stored")
        found = answer.json()
        assert found["receipt"] == "stored"
        assert answer.headers["location"] == f"/events/{found['id']}"
        del found["receipt"]
        assert running.events(component="at-once", limit=1) == [found]


# --- receipts ------------------------------------------------------------------------------------


def test_many_receipts_at_once_in_the_order_asked(running: Service) -> None:
    stored = running.http.post("/events/batch?ack=stored", json=[EVENT] * 3).json()["results"]
    queued = running.http.post("/events/batch", json=[EVENT] * 3).json()["results"]
    wanted = [one["id"] for pair in zip(stored, queued, strict=True) for one in pair]
    never = [id_text(new_id(now_ms())), str(uuid4())]
    found = running.by_ids([*wanted, *never, wanted[0].upper()])
    assert [one["id"] for one in found["events"]] == wanted
    assert found["missing"] == never
    assert found["next_cursor"] is None
    assert {one["receipt"] for one in found["events"][::2]} == {"stored"}
    single = running.http.get(f"/events/{wanted[0]}").json()
    assert found["events"][0] == single


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("id=17", "'17' is not a UUID"),
        (f"id={SOME_ID}&component=a&limit=3", "can't be combined with component, limit"),
    ],
)
def test_ids_are_uuids_and_combine_with_no_other_parameter(
    running: Service, query: str, detail: str
) -> None:
    found = problem(running.http.get(f"/events?{query}"), 422)
    assert found["errors"] == [{"detail": detail, "parameter": "id"}]


def test_more_ids_than_the_limit_are_refused(running: Service) -> None:
    ids = "&".join(f"id={uuid4()}" for _ in range(201))
    problem(running.http.get(f"/events?{ids}"), 422)


def test_an_unchanged_answer_by_ids_is_not_sent_twice(running: Service) -> None:
    created: httpx.Response = running.http.post("/events?ack=stored", json=EVENT)
    url = f"/events?id={created.json()['id']}"
    etag = running.http.get(url).headers["etag"]
    assert running.http.get(url, headers={"if-none-match": etag}).status_code == 304
    assert json.loads(running.http.get(url).content)["events"][0]["receipt"] == "stored"
