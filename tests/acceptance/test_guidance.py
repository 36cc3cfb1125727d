"""Test what helps a client: hints, OPTIONS, and readable answers."""

import gzip
import json
from uuid import uuid4

import pytest

from testbed.service import Service
from tests.support.hostile import EVENT
from tests.support.problems import problem
from tests.support.raw_http import Raw
from tests.support.wrong_requests import ALLOWED

GOOD = json.dumps(EVENT).encode()


@pytest.mark.parametrize(("path", "allowed"), ALLOWED)
def test_options_says_what_a_path_answers(running: Service, path: str, allowed: str) -> None:
    response = running.http.options(path)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["allow"] == allowed
    assert "webhook-allowed-origin" not in response.headers
    problem(running.http.options("/nowhere"), 404)


@pytest.mark.parametrize("path", ["/events", "/events/batch", "/api/events/"])
def test_a_sender_of_cloudevents_is_told_that_it_may_deliver(running: Service, path: str) -> None:
    asked = {"WebHook-Request-Origin": "events.example.com", "WebHook-Request-Rate": "120"}
    response = running.http.options(path, headers=asked)
    assert response.status_code == 204
    assert "POST" in response.headers["allow"]
    assert response.headers["webhook-allowed-origin"] == "*"
    assert response.headers["webhook-allowed-rate"] == "*"
    assert "webhook-allowed-origin" not in running.http.options("/status", headers=asked).headers


CLOUD_EVENT = b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}'


@pytest.mark.parametrize(
    ("path", "media_type", "body", "hint"),
    [
        ("/events", "application/json", GOOD + b"\n" + GOOD, "application/x-ndjson"),
        ("/events", "application/json", GOOD + b"\r\n\r\n" + GOOD, "/events/batch"),
        ("/events", "application/json", b" [%b]" % GOOD, "/events/batch"),
        ("/events", "application/json", b"[" * 100, "/events/batch"),
        ("/events", "application/x-ndjson", GOOD, "/events/batch"),
        ("/events", "application/cloudevents-batch+json", b"[]", "/events/batch"),
        ("/events", "application/cloudevents+json", b"[%b]" % CLOUD_EVENT, "/events/batch"),
        ("/events/batch", "application/json", GOOD + b"\n" + GOOD, "application/x-ndjson"),
        ("/events/batch", "application/json", b'{"events":[]}\n{"events":[]}', "x-ndjson"),
        ("/events/batch", "application/json", GOOD, "posted to /events."),
        ("/events/batch", "application/cloudevents+json", CLOUD_EVENT, "posted to /events."),
    ],
)
def test_a_body_sent_to_the_wrong_path_gets_a_hint_where_it_belongs(
    running: Service, path: str, media_type: str, body: bytes, hint: str
) -> None:
    answer = running.http.post(path, content=body, headers={"content-type": media_type})
    assert answer.status_code in (400, 415, 422)
    assert hint in problem(answer, answer.status_code)["detail"]


def test_other_invalid_bodies_get_no_hint_about_another_path(running: Service) -> None:
    for path in ("/events", "/events/batch"):
        for body in (b"{", b"", b"nonsense", b"5", b'"a\n{"'):
            answer = running.http.post(
                path, content=body, headers={"content-type": "application/json"}
            )
            detail = problem(answer, answer.status_code)["detail"]
            assert "/events/batch" not in detail
            assert "ndjson" not in detail


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("path", "media_type", "body"),
    [
        ("/events", "application/json", GOOD),
        ("/events", "application/cloudevents+json", CLOUD_EVENT),
        ("/events/batch", "application/json", b"[%b]" % GOOD),
        ("/events/batch", "application/json", b'{"events":[%b]}' % GOOD),
        ("/events/batch", "application/x-ndjson", GOOD),
        ("/events/batch", "application/x-ndjson", b"\r\n" + GOOD),
        ("/events/batch", "application/cloudevents-batch+json", b"[%b]" % CLOUD_EVENT),
        ("/v1/logs", "application/json", b'{"resourceLogs":[]}'),
    ],
)
def test_a_byte_order_mark_at_the_start_is_skipped(
    running: Service, path: str, media_type: str, body: bytes
) -> None:
    pieces = [BOM[:1], BOM[1:2], BOM[2:] + body[:1], body[1:]]
    for content in (BOM + body, gzip.compress(BOM + body), iter(pieces)):
        headers = {"content-type": media_type}
        if isinstance(content, bytes) and content.startswith(b"\x1f"):
            headers["content-encoding"] = "gzip"
        answer = running.http.post(path, content=content, headers=headers)
        assert answer.status_code in (200, 202), answer.text


def test_the_data_of_a_cloudevent_may_begin_with_a_byte_order_mark(running: Service) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
    headers["content-type"] = "application/json"
    answer = running.http.post("/events", content=BOM + b'{"a":1}', headers=headers)
    assert answer.json()["data"]["data"] == {"a": 1}


def test_every_answer_in_json_ends_with_one_line_feed(running: Service) -> None:
    http = running.http
    posted = http.post("/events", json=EVENT)
    slow = {"content-type": "application/json;charset=UTF-8", "idempotency-key": str(uuid4())}
    logs = {"content-type": "application/json"}
    answers = [
        posted,
        http.post("/events", content=GOOD, headers=slow),
        http.post("/events?ack=stored", json=EVENT),
        http.post("/events", json={}),
        http.post("/events/batch", json=[EVENT, {}]),
        http.post("/events/batch?dry_run=true", json=[EVENT]),
        http.post("/events/batch", json=[{}]),
        http.post("/v1/logs", content=b'{"resourceLogs":[]}', headers=logs),
        http.post("/v1/logs", content=b"{", headers=logs),
        http.get("/events"),
        http.get("/events"),
        http.get(f"/events?id={posted.json()['id']}"),
        http.get(f"/events/{posted.json()['id']}"),
        http.get("/events?limit=0"),
        *map(http.get, ("/health", "/health/ready", "/status", "/openapi.json", "/nowhere")),
        http.put("/events"),
    ]
    for answer in answers:
        assert answer.content.endswith(b"}\n"), answer.url
        assert int(answer.headers["content-length"]) == len(answer.content)
        answer.json()
    with Raw(running) as raw:
        raw.send(b"nonsense\r\n\r\n")
        assert raw.answer().body.endswith(b"}\n")
