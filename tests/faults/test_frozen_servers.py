"""Freeze servers that neither answer nor close: no client waits for ever."""

from collections.abc import Iterator

import pytest

from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.freezing import frozen

EVENT = {"component": "c", "environment": "e", "message": "m"}


@pytest.fixture
def running(settings: StorageSettings) -> Iterator[Service]:
    with service(settings, cache_grace_ms=0) as started:
        started.wait_stored(started.post(**EVENT)["id"])
        yield started


def test_while_postgresql_is_frozen_readers_get_an_error_and_producers_notice_nothing(
    running: Service, servers: TestServers
) -> None:
    assert running.events()  # open the connections, and cache a page
    pid = servers.servers.postgres.pid
    assert pid is not None
    with frozen(pid):
        assert running.http.get("/events", params={"message": "not cached"}).status_code == 503
        assert running.http.get("/events").headers["x-cache"] == "HIT"
        accepted = [running.post(**EVENT) for _ in range(20)]
        assert running.http.get("/health/ready").status_code == 200
        assert running.http.get("/health/ready?for=query").status_code == 503
    for event in accepted:
        running.wait_stored(event["id"])
    assert len(running.events()) == 21


def test_while_the_queue_stands_still_producers_are_told_when_to_try_again(
    running: Service, servers: TestServers
) -> None:
    pid = servers.servers.queue.pid
    assert pid is not None
    with frozen(pid):
        answer = running.http.post("/events", json=EVENT)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert running.http.get("/health/ready").status_code == 503
        assert running.http.get("/events").status_code == 200
    wait_until(lambda: running.http.post("/events", json=EVENT).status_code == 202, "202 again")


def test_while_control_is_frozen_posts_and_queries_continue(
    running: Service, servers: TestServers
) -> None:
    pid = servers.servers.control.pid
    assert pid is not None
    with frozen(pid):
        event = running.post(**EVENT)
        assert running.http.get("/events").headers["x-cache"] == "BYPASS"
        assert running.http.get("/health/ready").status_code == 200
    running.wait_stored(event["id"])
