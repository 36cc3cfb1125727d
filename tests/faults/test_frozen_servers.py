"""Freeze servers that neither answer nor close: no client waits for ever."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.freezing import frozen

PROBING = 40  # connections
PROBES = 4  # of each connection, one after the other
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


async def probe_at_once(url: str) -> Counter[int]:
    """Ask for readiness over PROBING connections at once; return how often each status came."""
    limits = httpx.Limits(max_connections=PROBING)
    async with httpx.AsyncClient(
        base_url=url, timeout=120, limits=limits, trust_env=False
    ) as client:

        async def probe() -> list[int]:
            return [
                (await client.get("/health/ready?for=query")).status_code for _ in range(PROBES)
            ]

        found = await asyncio.gather(*(probe() for _ in range(PROBING)))
    return Counter(status for statuses in found for status in statuses)


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def test_while_postgresql_is_frozen_probes_start_no_thread_each(
    running: Service, servers: TestServers
) -> None:
    pid = servers.servers.postgres.pid
    assert pid is not None
    before = threads_of(running.apis[0].pid)
    with (
        redis.Redis.from_url(running.settings.queue_url) as queue,
        frozen(pid),
    ):
        asked = queue.info("commandstats")["cmdstat_zadd"]["calls"]
        assert asyncio.run(probe_at_once(running.url)) == {503: PROBING * PROBES}
        assert threads_of(running.apis[0].pid) <= before + running.settings.database_pool
        assert queue.info("commandstats")["cmdstat_zadd"]["calls"] - asked < PROBING * PROBES / 2
    wait_until(lambda: running.answers("/health/ready?for=query"), "history is read again")


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
