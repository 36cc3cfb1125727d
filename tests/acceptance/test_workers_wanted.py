"""Test `workers_wanted` of `GET /status`: how many workers keep up with what is accepted."""

from collections.abc import Iterator
from typing import Any

import pytest

from cli.commands.status import Report
from storage.redis import keys
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.drain_bench import NOWHERE

EVENT = {"component": "c", "environment": "e", "message": "m"}
# A worker needs a second of work with large batches to know its pace.
SMALL_BATCHES: dict[str, Any] = {"batch_events": 100}


def wanted(running: Service) -> int | None:
    found: int | None = running.http.get("/status").json()["workers_wanted"]
    return found


def known(running: Service) -> int:
    """Return the number once it is known: a new API process watches the queue for 5 s first."""
    return wait_until(lambda: wanted(running) or 0, "workers_wanted to be known")


def scraped(running: Service) -> list[str]:
    """Return the lines of the metric."""
    lines = running.http.get("/metrics").text.splitlines()
    return [line for line in lines if line.startswith("activity_workers_wanted")]


def store(running: Service, events: int) -> None:
    """Post so many events, and wait until they are stored."""
    for _ in range(events // 10_000):
        assert running.http.post("/events/batch", json=[EVENT] * 10_000).status_code == 202
    wait_until(lambda: running.http.get("/status").json()["backlog"] == 0, "an empty backlog", 300)


@pytest.fixture
def measured(settings: StorageSettings) -> Iterator[Service]:
    """Run a service whose worker has been busy for seconds."""
    with service(settings, **SMALL_BATCHES) as running:
        store(running, 30_000)
        yield running


def test_without_a_measured_worker_it_is_unknown(settings: StorageSettings) -> None:
    with service(settings, workers=0) as running:
        running.post(**EVENT)
        wait_until(
            lambda: running.http.get("/status").json()["stored_per_second"] == 0, "a first rate"
        )
        found: dict[str, Any] = running.http.get("/status").json()
        assert found["workers_wanted"] is None
        assert scraped(running) == []
        assert "Workers        0 (wanted: unknown)" in Report("http://here", [], found).as_text()


def test_every_api_process_says_the_same_and_remembers_it_without_workers(
    measured: Service, settings: StorageSettings
) -> None:
    assert known(measured) >= 1
    for worker in measured.workers:
        worker.terminate()
        worker.wait(60)
    measured.workers.clear()
    wait_until(lambda: wanted(measured) == 1, "one worker to be wanted while nothing is accepted")
    wait_until(lambda: scraped(measured) == ["activity_workers_wanted 1.0"], "the metric to say so")
    with service(settings, workers=0) as other:
        assert known(other) == 1
        found = other.http.get("/status").json()
        assert "(wanted: 1)" in Report("http://here", [], found).as_text()


def test_a_backlog_asks_for_as_many_workers_as_it_has_shards(settings: StorageSettings) -> None:
    with connect(settings.queue_url) as queue:
        queue.hset(keys.state(keys.tags(queue)[0]), mapping={"pace": "10.000", "pace_at": 1})
    with service(settings, workers=0) as running:
        assert known(running) == 1
        assert running.http.post("/events/batch", json=[EVENT] * 10_000).status_code == 202
        wait_until(lambda: wanted(running) == settings.shards, "as many as there are shards")


def test_without_control_it_is_unknown_because_no_drain_starts(measured: Service) -> None:
    away = measured.settings.model_copy(update={"control_url": NOWHERE})
    with service(away, workers=0) as running:
        assert known(measured) >= 1
        wait_until(
            lambda: running.http.get("/status").json()["uptime_seconds"] > 8, "the rates are known"
        )
        assert wanted(running) is None
        assert scraped(running) == []
