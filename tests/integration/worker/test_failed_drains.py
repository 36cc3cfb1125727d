"""Any failure of a drain is recorded with its shard, logged once, and tried again after a pause."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from storage.errors import ShardPaused
from storage.events.writer import BatchWriter
from storage.logs.throttle import REPEAT_SECONDS
from storage.model.event import now_ms
from storage.postgres.engine import plain_engine
from storage.queue.lease import ShardLease
from storage.queue.producer import QueueProducer
from storage.queue.scheduler import DrainScheduler
from storage.queue.sweeper import Sweeper
from storage.redis import keys
from storage.redis.client import connect_async
from storage.settings import StorageSettings
from testbed.servers import environment
from tests.support import drain_bench
from tests.support.queued import append, backlog, make_events, state
from worker.drain import drain
from worker.failures import FailureLog
from worker.heartbeat import Heartbeat
from worker.maintenance import Maintenance

Bench = drain_bench.Bench
bench = drain_bench.bench


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("a bug"), sa.exc.SQLAlchemyError()])
@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (BatchWriter, "last_fence"),
        (ShardLease, "acquire"),
        (Heartbeat, "__enter__"),
        (BatchWriter, "terminate_stale_sessions"),
        (ShardLease, "read"),
        (BatchWriter, "ensure_partitions"),
        (ShardLease, "acknowledge"),
        (ShardLease, "release"),
    ],
)
def test_whatever_ends_a_drain_is_recorded_and_the_shard_recovers(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, owner: type, step: str, error: Exception
) -> None:
    append(bench.settings, batch := make_events(20))
    with monkeypatch.context() as patched:
        drain_bench.failing_once(patched, owner, step, "before", error)
        worker = bench.worker(batch_events=10)
        assert bench.drain(worker) == "paused"
    assert type(error).__name__ in state(bench.queue).get("last_error", "")[:40] or (
        owner is ShardLease and step == "release"  # nothing waits by then
    )
    assert bench.worker().scheduler.sweep() == 0, "it is not tried again at once"
    bench.expire()
    bench.worker().scheduler.sweep()
    assert bench.drain(bench.worker()) == "done"
    bench.assert_all_well(batch)
    assert "last_error" not in state(bench.queue)


def test_a_worker_that_can_not_even_open_its_connections_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(bench.settings, make_events(1))

    def resources() -> None:
        raise RuntimeError("no resources")

    monkeypatch.setattr("worker.drain.resources", resources)
    monkeypatch.setattr("worker.drain.StorageSettings", lambda: bench.settings)
    assert drain(0) == "paused"
    assert state(bench.queue)["last_error"] == "RuntimeError: no resources"


def test_a_database_that_only_the_workers_can_not_reach_is_named(bench: Bench) -> None:
    append(bench.settings, make_events(1))
    away = sa.create_engine("postgresql+psycopg2:///activity?host=/nonexistent")
    broken = replace(bench.worker(), writer=BatchWriter(away, "day"))
    assert bench.drain(broken) == "paused"
    assert "PostgreSQL can't answer now" in state(bench.queue)["last_error"]


def test_a_failure_does_not_disturb_the_drain_that_has_the_shard_by_now(bench: Bench) -> None:
    append(bench.settings, make_events(1))
    overtaken = ShardLease(bench.queue, 0, 60_000)
    overtaken.acquire(0)
    bench.expire()
    ShardLease(bench.queue, 0, 60_000).acquire(0)
    before = state(bench.queue)
    overtaken.fail("too late")
    ShardLease(bench.queue, 0, 60_000).fail("never begun")
    assert state(bench.queue) == before


def test_a_failure_with_nothing_left_to_store_holds_up_nothing(bench: Bench) -> None:
    lease = ShardLease(bench.queue, 0, 60_000)
    lease.acquire(0)
    lease.fail("a bug")
    assert not {"st", "last_error", "open"} & set(state(bench.queue))


@pytest.mark.parametrize("error", [RuntimeError("a bug"), ShardPaused("expected")])
def test_the_same_failure_is_logged_once_a_minute_and_a_bug_with_its_traceback(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    failures = FailureLog(lambda: now[0])
    try:
        raise error
    except type(error) as raised:
        caught = raised
    for _ in range(20):
        failures.record(0, caught)
    assert len(caplog.records) == 1
    assert ("Traceback" in caplog.text) == isinstance(error, RuntimeError)
    failures.record(1, caught)
    now[0] = REPEAT_SECONDS
    failures.record(0, caught)
    assert len(caplog.records) == 3


def test_a_shard_whose_drain_failed_takes_events_only_when_told_to(bench: Bench) -> None:
    items = [b"i" * 16, b"event"]

    async def post() -> None:
        client = connect_async(bench.settings.queue_url)
        producer, now = QueueProducer(client, bench.settings.shards), now_ms()
        with pytest.raises(ShardPaused):
            await producer.append(0, now, items)
        assert backlog(bench.queue) == 0
        assert (await producer.append(0, now, items, even_paused=True)).backlog_events == 1
        await client.aclose()

    bench.queue.hset(keys.state(0), "last_error", "a bug")
    asyncio.run(post())


def test_a_shard_that_is_broken_does_not_keep_others_from_being_swept(
    settings: StorageSettings, queue_of: Callable[[StorageSettings], Any]
) -> None:
    append(settings, make_events(1), shard=2)
    with queue_of(settings) as queue:
        queue.hdel(keys.state(2), "st", "exp")
        queue.set(keys.stream(0), "no stream")
        scheduler = DrainScheduler(settings.queue_url, settings.control_url, settings.shards)
        with pytest.raises(Exception, match="WRONGTYPE"):
            scheduler.sweep()
        assert state(queue, 2)["st"] == "q"


@pytest.fixture
def queue_of() -> Callable[[StorageSettings], redis.Redis]:
    return lambda settings: redis.Redis.from_url(settings.queue_url)


def test_a_setting_that_makes_no_sense_ends_the_worker_and_not_its_drains(
    settings: StorageSettings,
) -> None:
    env = environment(settings, lease_ms="soon")
    ended = subprocess.run(
        [sys.executable, "-m", "worker"], env=env, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode != 0
    assert "ACTIVITY_LEASE_MS" in ended.stderr


def test_sweeping_goes_on_after_whatever_went_wrong() -> None:
    rounds = threading.Semaphore(0)

    class DrainScheduler:
        def sweep(self) -> None:
            rounds.release()
            raise RuntimeError("a bug")

    sweeper = Sweeper(DrainScheduler())  # type: ignore[arg-type]
    sweeper.start()
    assert all(rounds.acquire(timeout=30) for _ in range(3))
    sweeper.stop()


def test_maintenance_goes_on_after_whatever_went_wrong(
    settings: StorageSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rounds = threading.Semaphore(0)

    def run_once(self: Maintenance) -> None:
        rounds.release()
        raise RuntimeError("a bug")

    monkeypatch.setattr(Maintenance, "run_once", run_once)
    monkeypatch.setattr("worker.maintenance.PERIOD_SECONDS", 0.01)
    maintenance = Maintenance(plain_engine(settings.database_url), "day", 1)
    maintenance.start()
    assert all(rounds.acquire(timeout=30) for _ in range(3))
    maintenance.stop()
    assert caplog.text.count("Traceback") == 1


def test_a_heartbeat_goes_on_after_whatever_went_wrong(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats = threading.Semaphore(0)

    def renew(self: ShardLease) -> None:
        beats.release()
        raise RuntimeError("a bug")

    monkeypatch.setattr(ShardLease, "renew", renew)
    with Heartbeat(ShardLease(bench.queue, 0, 60), 60):
        assert all(beats.acquire(timeout=30) for _ in range(3))
