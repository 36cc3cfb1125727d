"""Take a server away, fill it or slow it: clients get an honest answer, and service resumes.

Not in one module with the `running` service: its worker would take the drains of these tests.
"""

import json
import logging
import secrets
import signal

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression

from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.otlp import sdk
from tests.support.own_queue import own_queue
from tests.support.problems import document, problem
from tests.support.raw_http import Raw, request

EVENT = {"component": "orders", "environment": "production", "message": "shipped"}
BODY = json.dumps(EVENT).encode()
JSON = b"Content-Type: application/json"
UNKNOWN_ID = "0199a3c0-1111-7222-8333-444455556666"


def retry_seconds(response: httpx.Response) -> int:
    problem(response, 503)
    return int(response.headers["retry-after"])


def test_while_the_queue_is_away_a_post_gets_retry_after_and_later_succeeds_without_a_restart(
    settings: StorageSettings,
) -> None:
    with own_queue() as queue:
        away = settings.model_copy(update={"queue_url": queue.url})
        with service(away, workers=0, probe="/health") as running:
            assert retry_seconds(running.http.post("/events", json=EVENT)) > 0
            assert retry_seconds(running.http.get(f"/events/{UNKNOWN_ID}")) > 0
            problem(running.http.post("/events", json={}), 422)
            assert running.http.get("/events").status_code == 200
            queue.start()
            event_id = running.post(**EVENT)["id"]
            assert running.http.get(f"/events/{event_id}").json()["receipt"] == "queued"
            queue.stop()
            assert retry_seconds(running.http.post("/events", json=EVENT)) > 0
            queue.start()
            assert running.http.get(f"/events/{event_id}").json()["receipt"] == "queued"
            running.post(**EVENT)


def test_an_opentelemetry_sdk_comes_again_until_the_queue_is_there(
    settings: StorageSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "opentelemetry")  # it reports each attempt
    with own_queue() as queue:
        away = settings.model_copy(update={"queue_url": queue.url})
        with (
            service(away, workers=0, probe="/health") as running,
            sdk(running, "patient", Compression.Gzip, schedule_delay_millis=10) as (logs, answers),
        ):
            logs.get_logger("lib").emit(body="late")
            wait_until(lambda: bool(answers), "the first attempt")
            first = answers[0]
            assert first.status_code == 503
            assert first.headers["content-type"] == "application/x-protobuf"
            assert int(first.headers["retry-after"]) > 0
            assert "queue does not answer" in Status.FromString(first.content).message
            queue.start()
            wait_until(lambda: answers[-1].status_code == 200, "an attempt that is taken")
            running.start_worker()
            wait_until(lambda: len(running.events(component="patient")) == 1, "it to be stored")


def test_a_full_queue_accepts_no_event_in_part_and_keeps_what_it_has_accepted(
    settings: StorageSettings,
) -> None:
    with own_queue("8mb") as queue:
        queue.start()
        small = settings.model_copy(update={"queue_url": queue.url})
        with service(small, workers=0) as running:
            accepted: list[str] = []
            refused = fill(running, accepted)
            assert retry_seconds(refused) > 0
            assert "nothing was accepted" in refused.json()["detail"]
            # It is not ready only when even the smallest event does not fit.
            wait_until(lambda: is_full(running, accepted), "the queue to be full to the brim")
            for event_id in accepted:
                assert running.http.get(f"/events/{event_id}").json()["receipt"] == "queued"
            assert running.http.get(f"/events/{UNKNOWN_ID}").status_code == 404
            running.start_worker()
            for event_id in accepted:
                running.wait_stored(event_id)
            running.wait_stored(running.post(**EVENT)["id"])
            page = running.http.get("/events", params={"limit": 1000, "component": "filler"})
            assert sorted(event["id"] for event in page.json()["events"]) == sorted(accepted)


def fill(running: Service, accepted: list[str], size: int = 50_000) -> httpx.Response:
    """Post events until one is refused; return that answer, and add the accepted ids."""
    for _ in range(500):
        event = {**EVENT, "component": "filler", "data": secrets.token_hex(size)}
        response = running.http.post("/events", json=event)
        if response.status_code != 202:
            return response
        accepted.append(response.json()["id"])
    raise AssertionError("the queue was never full")


def is_full(running: Service, accepted: list[str]) -> bool:
    # Ever smaller: the server frees memory of its connections while it is filled, so that more of
    # the smallest events fit than `fill` would post.
    for size in (5_000, 500, 10):
        fill(running, accepted, size)
    ready = running.http.get("/health/ready")
    queue = ready.json()["dependencies"]["queue"]
    return ready.status_code == 503 and queue["state"] == "down" and "full" in queue["detail"]


def test_while_the_database_is_away_events_are_accepted_and_queries_get_retry_after(
    settings: StorageSettings,
) -> None:
    away = settings.model_copy(
        update={"database_url": "postgresql+psycopg2://activity@/activity?host=/nowhere"}
    )
    with service(away, workers=1) as running:
        event_id = running.post(**EVENT)["id"]
        found = running.http.get(f"/events/{event_id}")
        assert (found.status_code, found.json()["receipt"]) == (200, "queued")
        assert retry_seconds(running.http.get("/events")) > 0
        assert retry_seconds(running.http.get(f"/events/{UNKNOWN_ID}")) > 0
        problem(running.http.get("/events?limit=0"), 422)
        assert running.http.get(f"/events/{event_id}").json()["receipt"] == "queued"


def test_events_accepted_while_the_database_was_away_are_stored_once_it_is_back(
    servers: TestServers, settings: StorageSettings
) -> None:
    with service(settings) as running:
        postgres = servers.servers.postgres
        postgres.stop()
        try:
            ids = [running.post(**EVENT)["id"] for _ in range(20)]
            assert retry_seconds(running.http.get("/events")) > 0
        finally:
            postgres.start()
        for event_id in ids:
            running.wait_stored(event_id)
        assert {event["id"] for event in running.events()} == set(ids)


def test_while_control_is_away_events_are_accepted_and_history_is_read(
    settings: StorageSettings,
) -> None:
    away = settings.model_copy(update={"control_url": "unix:///nowhere/control.sock?db=0"})
    with service(away, workers=0) as running:
        event_id = running.post(**EVENT)["id"]
        assert running.http.get(f"/events/{event_id}").status_code == 200
        page = running.http.get("/events")
        assert (page.status_code, page.headers["x-cache"]) == (200, "BYPASS")


def test_headers_that_stall_time_out(settings: StorageSettings) -> None:
    with service(settings, workers=0, body_seconds=1) as running:
        with Raw(running) as silent, Raw(running) as slow:
            slow.send(b"POST /events HTTP/1.1\r\nX-Slow: ")
            assert slow.answer().status == 408
            assert silent.answer().status == 408
        assert running.http.get("/health").status_code == 200


def test_a_body_that_stalls_times_out_while_others_are_served(
    settings: StorageSettings,
) -> None:
    with service(settings, workers=0, body_seconds=1) as running, Raw(running) as raw:
        raw.send(request(BODY[:10], b"POST", b"/events", JSON, b"Content-Length: %d" % len(BODY)))
        assert running.http.post("/events", json=EVENT).status_code == 202
        answer = raw.answer()
        found = document(answer.status, answer.headers, answer.body, 408)
        assert "1 s" in found["detail"]
        assert raw.is_closed()
        with Raw(running) as slow:
            slow.send(request(b"", b"POST", b"/events", JSON, b"Transfer-Encoding: chunked"))
            assert slow.answer().status == 408


def states(running: Service, purpose: str, status: int) -> dict[str, str]:
    """Return the state of each server, from an answer with that status."""
    answer = running.http.get("/health/ready", params={"for": purpose}, timeout=10)
    assert answer.status_code == status
    assert answer.json()["status"] == ("ready" if status == 200 else "unavailable")
    assert ("retry-after" in answer.headers) == (status == 503)
    found = answer.json()["dependencies"]
    return {name: dependency["state"] for name, dependency in found.items()}


def test_ready_tells_which_server_is_away_and_what_can_be_done_without_it(
    servers: TestServers, settings: StorageSettings
) -> None:
    with own_queue() as queue:
        queue.start()
        own = settings.model_copy(update={"queue_url": queue.url})
        with service(own, workers=0) as running:
            queue.stop()
            found = {"queue": "down", "control": "up", "database": "up"}
            assert states(running, "accept", 503) == found
            assert states(running, "query", 200) == found
            assert running.http.get("/health").status_code == 200
            queue.start()
            servers.servers.postgres.stop()
            try:
                found = {"queue": "up", "control": "up", "database": "down"}
                assert states(running, "accept", 200) == found
                assert states(running, "query", 503) == found
                assert running.http.get("/heath").json() == {"status": "healthy"}
            finally:
                servers.servers.postgres.start()
            wait_until(
                lambda: running.http.get("/health/ready?for=query").status_code == 200,
                "history to be readable again",
            )


def test_a_server_that_does_not_answer_makes_no_probe_hang(settings: StorageSettings) -> None:
    with own_queue() as queue:
        queue.start()
        own = settings.model_copy(update={"queue_url": queue.url})
        with service(own, workers=0) as running:
            assert queue.process is not None
            queue.process.send_signal(signal.SIGSTOP)
            try:
                found = {"queue": "down", "control": "up", "database": "up"}
                assert states(running, "accept", 503) == found
                assert running.http.get("/health").status_code == 200
            finally:
                queue.process.send_signal(signal.SIGCONT)
            wait_until(
                lambda: running.http.get("/health/ready").status_code == 200,
                "events to be acceptable again",
            )
