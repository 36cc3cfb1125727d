"""Every answer to a reader says how old the oldest event is that it may lack."""

import re

import httpx
import pytest

from storage.access.api_key import Scope
from storage.settings import StorageSettings
from testbed.service import service
from testbed.waiting import wait_until
from tests.support.keys import client, new_key, put_on_queue
from tests.support.own_queue import own_queue
from tests.support.problems import problem
from tests.support.slow_storing import nothing_stored

EVENT = {"component": "orders", "environment": "production", "message": "shipped"}
UNKNOWN_ID = "0199a3c0-1111-7222-8333-444455556666"
IS_LAG = re.compile(r"[0-9]+\.[0-9]|unknown").fullmatch


def lag(answer: httpx.Response) -> str:
    (value,) = answer.headers.get_list("activity-lag")
    assert IS_LAG(value)
    return value


def test_every_answer_to_a_reader_has_it(settings: StorageSettings) -> None:
    with service(settings, cache_grace_ms=0) as running:
        event_id = running.post(**EVENT)["id"]
        running.wait_stored(event_id)
        seen = set()
        for _ in range(4):
            page = running.http.get("/events")
            seen.add(page.headers["x-cache"])
            assert lag(page)
        assert seen == {"MISS", "HIT"}
        etag = {"if-none-match": page.headers["etag"]}
        unchanged = running.http.get("/events", headers=etag)
        assert (unchanged.status_code, bool(lag(unchanged))) == (304, True)
        for path in (f"/events/{event_id}", f"/events?id={event_id}", "/api/events/?limit=3"):
            for method in ("GET", "HEAD"):
                answer = running.http.request(method, path)
                assert (answer.status_code, bool(lag(answer))) == (200, True)
        for path, status in ((f"/events/{UNKNOWN_ID}", 404), ("/events?limit=x", 422)):
            answer = running.http.get(path)
            problem(answer, status)
            assert lag(answer)
        others = [
            running.http.request("OPTIONS", "/events"),
            running.http.post("/events", json=EVENT),
        ]
        others += [running.http.get(path) for path in ("/status", "/health", "/nowhere")]
        assert not any("activity-lag" in answer.headers for answer in others)


def test_who_may_not_read_is_not_told(settings: StorageSettings) -> None:
    reader, writer = new_key(Scope.READ), new_key(Scope.WRITE)
    put_on_queue(settings, reader, writer)
    with service(settings, workers=0, auth="required") as running:
        with client(running, reader) as http:
            assert lag(http.get("/events"))
        for key, status in ((writer, 403), (None, 401)):
            with client(running, key) as http:
                answer = http.get("/events")
                problem(answer, status)
                assert "activity-lag" not in answer.headers


@pytest.mark.parametrize("path", ["/events", "/events?limit=7"])
def test_it_grows_while_an_event_waits_and_falls_to_zero(
    settings: StorageSettings, path: str
) -> None:
    with service(settings, cache_grace_ms=0) as running:
        running.wait_stored(running.post(**EVENT)["id"])
        wait_until(lambda: lag(running.http.get(path)) == "0.0", "no lag")
        assert running.http.get(path).headers["x-cache"] == "HIT"  # from the process
        with nothing_stored(settings):
            running.post(**EVENT)
            wait_until(lambda: lag(running.http.get(path)) not in ("0.0", "unknown"), "a lag")
            earlier = float(lag(running.http.get(path)))
            assert earlier > 0
            wait_until(lambda: float(lag(running.http.get(path))) > earlier + 1, "a greater lag")
            assert running.http.get(path).headers["x-cache"] == "HIT"
        wait_until(lambda: lag(running.http.get(path)) == "0.0", "no lag again")


def test_it_is_unknown_while_the_queue_is_away(settings: StorageSettings) -> None:
    with own_queue() as queue:
        away = settings.model_copy(update={"queue_url": queue.url})
        with service(away, workers=0, probe="/health", cache_grace_ms=0) as running:
            assert lag(running.http.get("/events")) == "unknown"
            queue.start()
            wait_until(lambda: lag(running.http.get("/events")) == "0.0", "it to be known")
            queue.stop()
            wait_until(lambda: lag(running.http.get("/events")) == "unknown", "it to be old")
