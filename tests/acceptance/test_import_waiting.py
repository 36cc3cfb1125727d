"""Imported events that wait: they are found, as young as they were accepted, and queued once."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from storage.model.event import id_ms
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.imports import PAST, PATH, is_balanced, item, send
from tests.support.problems import problem


@pytest.fixture(scope="module")
def still(servers: TestServers) -> Iterator[Service]:
    """Run a service without workers."""
    with (
        servers.fresh() as settings,
        service(settings, workers=0, cache_grace_ms=0, ack_seconds=0.3) as started,
    ):
        yield started


def test_what_waits_is_found_and_is_not_as_old_as_it_happened(still: Service) -> None:
    events = [item(n, PAST + timedelta(days=n)) for n in range(30)]
    ids = [one["id"] for one in send(still, *events)["results"]]
    waiting = still.http.get(f"/events/{ids[3]}").json()
    assert (waiting["receipt"], waiting["created_at"]) == ("queued", events[3]["created_at"])
    assert id_ms(UUID(ids[3])) == int((PAST + timedelta(days=3)).timestamp() * 1000)
    status = still.http.get("/status").json()
    assert status["lag_seconds"] < 60
    assert float(still.http.get("/events").headers["activity-lag"]) < 60
    waited = send(still, *events[:5], path=f"{PATH}&ack=stored")
    assert {one["receipt"] for one in waited["results"]} == {"queued"}


def test_the_same_events_in_another_order_while_they_wait_are_queued_once(still: Service) -> None:
    events = [item(n, PAST + timedelta(hours=n), component="waiting") for n in range(50)]
    send(still, *events)
    backlog = still.http.get("/status").json()["backlog"]
    middle = [
        item(99, component="waiting"),
        *reversed(events[10:40]),
        item(98, component="waiting"),
    ]
    answer = send(still, *middle)
    assert (answer["accepted"], answer["duplicates"]) == (32, 30)
    other = problem(still.http.post(PATH, json=[{**events[20], "message": "other"}]), 422)
    assert "was accepted before" in other["results"][0]["error"]["detail"]
    assert still.http.get("/status").json()["backlog"] == backlog + 2
    worker = still.start_worker()
    wait_until(lambda: is_balanced(still), "all to be stored and accounted for", 60)
    assert len(still.events(component="waiting", limit=1000)) == 52
    worker.terminate()
    worker.wait(60)
    still.workers.remove(worker)
