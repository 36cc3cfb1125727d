"""Read with `fresh=true`: every event accepted before is in the answer, or there is none.

Not in one module with the `running` service: its worker would take the drains of these tests.
"""

import json
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from storage.settings import StorageSettings
from testbed.service import service
from testbed.waiting import wait_until
from tests.support.own_queue import own_queue
from tests.support.problems import problem
from tests.support.raw_http import Raw, request
from tests.support.slow_storing import nothing_stored, refuse, slow_down

EVENT = {"component": "orders", "environment": "production", "message": "shipped"}
PAIRS = 500
READERS = 10
FRESH = {"fresh": "true"}
UNKNOWN_ID = "0199a3c0-1111-7222-8333-444455556666"


def _page_of_the_email(http: httpx.Client, event: dict[str, str]) -> httpx.Response:
    return http.get("/events", params={"email": event["email"], **FRESH})


def _page_of_all(http: httpx.Client, event: dict[str, str]) -> httpx.Response:
    return http.get("/events", params={"limit": 1000, **FRESH})


def _by_ids(http: httpx.Client, event: dict[str, str]) -> httpx.Response:
    return http.get("/events", params={"id": event["id"], **FRESH})


def _by_id(http: httpx.Client, event: dict[str, str]) -> httpx.Response:
    return http.get(f"/events/{event['id']}", params=FRESH)


READS: list[Callable[[httpx.Client, dict[str, str]], httpx.Response]] = [
    _page_of_the_email,
    _page_of_all,
    _by_ids,
    _by_id,
]


def outcome(answer: httpx.Response, event_id: str) -> str:
    """Return what a fresh read of a stored event told; `missing` must never be."""
    if answer.status_code == 503:
        assert int(answer.headers["retry-after"]) > 0
        assert "lag_seconds" in answer.json()
        return "refused"
    assert answer.status_code == 200, answer.text
    body = answer.json()
    found = [one for one in body.get("events", [body]) if one["id"] == event_id]
    return "found" if found and found[0].get("receipt", "stored") == "stored" else "missing"


def test_what_was_posted_is_in_the_next_read_or_there_is_none_while_postgresql_is_slow(
    settings: StorageSettings,
) -> None:
    slow_down(settings, 0.05)

    def pairs(reader: int) -> Counter[str]:
        told: Counter[str] = Counter()
        with httpx.Client(base_url=running.url, timeout=120, trust_env=False) as http:
            for number in range(PAIRS // READERS):
                email = f"{secrets.token_hex(8)}@example.com"
                event = http.post("/events", json={**EVENT, "email": email}).json()
                read = READS[(reader + number) % len(READS)]
                told[outcome(read(http, event), event["id"])] += 1
        return told

    with service(settings, apis=2, cache_grace_ms=0) as running, ThreadPoolExecutor() as pool:
        told = sum(pool.map(pairs, range(READERS)), Counter[str]())
    assert told.total() == PAIRS
    assert told["missing"] == 0, told
    assert told["found"] > 0, told


def test_a_page_from_the_process_waits_too(settings: StorageSettings) -> None:
    with service(settings, cache_grace_ms=0) as running:
        first = running.post(**EVENT)
        running.wait_stored(first["id"])
        wait_until(
            lambda: running.http.get("/events").headers["x-cache"] == "HIT", "a page in memory"
        )
        with nothing_stored(settings):
            second = running.post(**EVENT)
            assert [one["id"] for one in running.events()] == [first["id"]]
            problem(running.http.get("/events", params=FRESH), 503)
        found = running.http.get("/events", params=FRESH)
        assert [one["id"] for one in found.json()["events"]] == [second["id"], first["id"]]


def test_without_workers_it_is_refused_with_the_lag_and_only_if_it_was_asked_for(
    settings: StorageSettings,
) -> None:
    with service(settings, workers=0) as running:
        assert running.http.get("/events", params=FRESH).status_code == 200  # nothing waits
        event_id = running.post(**EVENT)["id"]
        for path in ("/events", f"/events/{event_id}", f"/events?id={event_id}"):
            assert running.http.get(path).status_code == 200
            answer = running.http.get(f"{path}{'&' if '?' in path else '?'}fresh=true")
            problem(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
            # As old as at the last reading of the queue, which is a little before the answer.
            assert answer.json()["lag_seconds"] >= 3
            assert float(answer.headers["activity-lag"]) >= 3
        problem(running.http.get(f"/events/{UNKNOWN_ID}", params=FRESH), 503)
        running.start_worker()
        running.wait_stored(event_id)
        assert running.http.get("/events", params=FRESH).json()["events"][0]["id"] == event_id
        problem(running.http.get(f"/events/{UNKNOWN_ID}", params=FRESH), 404)


def test_requests_that_wait_together_are_answered_together(settings: StorageSettings) -> None:
    with service(settings, cache_grace_ms=0) as running, ThreadPoolExecutor(32) as pool:
        with nothing_stored(settings):
            event_id = running.post(**EVENT)["id"]
            started = threading.Barrier(33)

            def read() -> httpx.Response:
                started.wait(60)
                return httpx.get(f"{running.url}/events?fresh=true", timeout=60, trust_env=False)

            waiting = [pool.submit(read) for _ in range(32)]
            started.wait(60)
            assert not any(one.done() for one in waiting)
        told = {outcome(one.result(60), str(event_id)) for one in waiting}
        assert told <= {"found", "refused"}


def test_an_event_that_postgresql_refuses_does_not_keep_reads_from_being_fresh(
    settings: StorageSettings,
) -> None:
    refuse(settings, "poison")
    with service(settings, cache_grace_ms=0) as running:
        dead = running.post(**{**EVENT, "message": "poison"})
        wait_until(
            lambda: running.http.get(f"/events/{dead['id']}").json()["receipt"] == "dead", "it"
        )
        answer = running.http.get(f"/events/{dead['id']}", params=FRESH)
        assert (answer.status_code, answer.json()["receipt"]) == (200, "dead")
        assert running.http.get("/events", params=FRESH).json()["events"] == []


def test_while_a_shard_is_paused_no_read_is_fresh(settings: StorageSettings) -> None:
    refuse(settings, "poison")
    with service(settings, cache_grace_ms=0) as running:
        lines = "\n".join([json.dumps({**EVENT, "message": "poison"})] * 100)
        headers = {"content-type": "application/x-ndjson"}
        running.http.post("/events/batch", content=lines, headers=headers).raise_for_status()
        wait_until(
            lambda: any(one["last_error"] for one in running.http.get("/status").json()["shards"]),
            "a paused shard",
        )
        problem(running.http.get("/events", params=FRESH), 503)
        assert running.http.get("/events").status_code == 200


def test_without_the_queue_it_is_refused_and_other_reads_are_answered(
    settings: StorageSettings,
) -> None:
    with own_queue() as queue:
        away = settings.model_copy(update={"queue_url": queue.url})
        with service(away, workers=0, probe="/health") as running:
            assert running.http.get("/events").status_code == 200
            told = problem(running.http.get("/events", params=FRESH), 503)
            assert told["lag_seconds"] is None
            assert "The queue does not answer" in told["detail"]
            queue.start()
            assert running.http.get("/events", params=FRESH).status_code == 200


def test_only_true_and_false_are_values(settings: StorageSettings) -> None:
    with service(settings, workers=0) as running:
        for path in ("/events?", f"/events/{UNKNOWN_ID}?", f"/events?id={UNKNOWN_ID}&"):
            blank = running.http.get(f"{path}fresh=").status_code  # counts as absent
            assert blank in (200, 404)
            for good in ("fresh=true", "fresh=false", "fresh=%20true", "fresh=true&fresh=true"):
                assert running.http.get(path + good).status_code == blank
            for bad in ("fresh=1", "fresh=yes", "fresh=True", "fresh=true&fresh=false"):
                told = problem(running.http.get(path + bad), 422)
                assert [fault["parameter"] for fault in told["errors"]] == ["fresh"]
        told = problem(running.http.get("/events?frehs=true"), 422)
        assert "fresh" in told["errors"][0]["detail"]


def test_a_process_that_stops_answers_the_reads_that_wait(settings: StorageSettings) -> None:
    with service(settings, workers=0) as running, Raw(running) as client:
        running.post(**EVENT)
        client.send(request(method=b"GET"))
        assert client.answer("GET").status == 200
        client.send(request(method=b"GET", path=b"/events?fresh=true"))
        (process,) = running.apis
        process.terminate()
        assert client.answer("GET").status == 503
        process.wait(60)
        running.apis.clear()
