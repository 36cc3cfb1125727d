"""Two drains of one shard: the first one is paused and overtaken, or keeps its lease."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
import sqlalchemy as sa

from storage.model.event import now_ms
from storage.postgres.engine import plain_engine
from storage.queue.lease import ShardLease
from storage.redis import keys
from testbed.servers import TestServers
from testbed.waiting import wait_until
from tests.support import drain_bench
from tests.support.drain_bench import Bench, Gate, Running, before
from tests.support.queued import (
    append,
    assert_balanced,
    assert_stored_once,
    backlog,
    make_event,
    make_events,
    state,
)
from worker.resources import Resources

bench = drain_bench.bench


def test_the_second_drain_of_a_shard_is_told_it_is_busy(bench: Bench) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    gate = Gate()
    slow = bench.worker()
    running = Running(
        bench, replace(slow, invalidator=before(slow.invalidator, "begin_write", gate.stop_here))
    )
    assert gate.reached.wait(20)
    assert bench.drain(bench.worker()) == "busy"
    gate.open.set()
    assert running.join() == "done"
    bench.assert_all_well(batch)


@contextmanager
def paused_at_begin_write(bench: Bench) -> Iterator[tuple[Running, Gate]]:
    """Return a drain that stopped inside its transaction, before it began its cache write."""
    gate = Gate()
    slow = bench.worker()
    running = Running(
        bench, replace(slow, invalidator=before(slow.invalidator, "begin_write", gate.stop_here))
    )
    assert gate.reached.wait(20)
    bench.expire()
    try:
        yield running, gate
    finally:
        gate.open.set()
        running.join()


def test_a_paused_drain_with_an_open_transaction_is_terminated_by_its_successor(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without this limit, as in the middle of a COPY, its session does not end by itself.
    monkeypatch.setattr("storage.postgres.engine.IDLE_LIMIT_MS", 0)
    batch = make_events(5)
    append(bench.settings, batch)
    with paused_at_begin_write(bench) as (running, gate):
        # As the sweeper does first: the successor finds the shard queued, not running.
        assert bench.worker().scheduler.sweep() == 1
        assert Running(bench, bench.worker()).join() == "done"
        assert_stored_once(bench.engine, batch)
        gate.open.set()
        assert running.join() == "paused"
    assert_stored_once(bench.engine, batch)
    assert_balanced(bench.queue)
    assert backlog(bench.queue) == 0


def test_a_drain_paused_before_its_write_leaves_no_pending_tag(bench: Bench) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    with paused_at_begin_write(bench) as (running, gate):
        assert bench.drain(bench.worker()) == "done"
        gate.open.set()
        running.join()
    bench.assert_all_well(batch)


def test_a_drain_that_ends_its_write_late_leaves_its_successors_pending_tags(bench: Bench) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    late, committing = Gate(), Gate()
    slow, successor = bench.worker(), bench.worker()
    overtaken = Running(
        bench, replace(slow, invalidator=before(slow.invalidator, "end_write", late.stop_here))
    )
    assert late.reached.wait(20)
    bench.expire()
    append(bench.settings, [make_event("late", component="another")])
    second = Running(
        bench, replace(successor, invalidator=cast(Any, StopAfterBeginWrite(successor, committing)))
    )
    assert committing.reached.wait(20)
    pending = bench.control.smembers(keys.pending_tags(0))
    late.open.set()
    overtaken.join()
    still_pending = bench.control.smembers(keys.pending_tags(0))
    committing.open.set()
    second.join()
    assert still_pending == pending


class StopAfterBeginWrite:
    """CacheInvalidator of a drain that stops between the begin of its write and its commit."""

    def __init__(self, worker: Resources, gate: Gate) -> None:
        self._invalidator = worker.invalidator
        self._gate = gate
        self.end_write = worker.invalidator.end_write

    def begin_write(self, *args: Any) -> None:
        self._invalidator.begin_write(*args)
        self._gate.stop_here()


def test_the_sessions_of_other_shards_and_databases_are_not_terminated(
    bench: Bench, servers: TestServers
) -> None:
    append(bench.settings, make_events(1))
    elsewhere = servers.settings("activity").database_url
    engines = [plain_engine(elsewhere), plain_engine(bench.settings.database_url)]
    with engines[0].connect() as one, engines[1].connect() as two:
        one.execute(sa.text("SET application_name = 'activity-drain-0'"))
        two.execute(sa.text("SET application_name = 'activity-drain-1'"))
        assert bench.drain(bench.worker()) == "done"
        assert one.scalar(sa.text("SELECT 1")) == 1
        assert two.scalar(sa.text("SELECT 1")) == 1
    for engine in engines:
        engine.dispose()


def test_a_drain_that_lost_its_lease_can_not_commit(bench: Bench) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    gate = Gate()
    slow = bench.worker()
    running = Running(bench, replace(slow, writer=before(slow.writer, "batch", gate.stop_here)))
    assert gate.reached.wait(20)
    bench.expire()
    successor = bench.worker()
    late = make_event("late")
    append(bench.settings, [late])
    assert bench.drain(successor) == "done"
    with bench.engine.begin() as connection:  # so that only the fence can keep it from storing
        connection.execute(sa.text("DELETE FROM events"))
    gate.open.set()
    assert running.join() == "lost"
    assert_stored_once(bench.engine, [])


def test_a_drain_that_lost_its_lease_can_not_acknowledge(bench: Bench) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    gate = Gate()
    slow = bench.worker()
    running = Running(
        bench, replace(slow, invalidator=before(slow.invalidator, "end_write", gate.stop_here))
    )
    assert gate.reached.wait(20)
    bench.expire()
    assert ShardLease(bench.queue, 0, 60_000).acquire(0)
    gate.open.set()
    assert running.join() == "lost"
    assert backlog(bench.queue) == 5
    bench.expire()
    assert bench.drain(bench.worker()) == "done"
    bench.assert_all_well(batch)


def test_the_heartbeat_keeps_the_lease_of_a_drain_busy_in_postgresql(bench: Bench) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    gate = Gate()
    slow = bench.worker(lease_ms=500)
    running = Running(
        bench, replace(slow, invalidator=before(slow.invalidator, "begin_write", gate.stop_here))
    )
    assert gate.reached.wait(20)
    begun_until = int(state(bench.queue)["exp"])
    wait_until(lambda: now_ms() > begun_until + 500, "the first term to be over")
    assert bench.drain(bench.worker()) == "busy"
    gate.open.set()
    assert running.join() == "done"
    bench.assert_all_well(batch)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_heartbeat_that_fails_does_not_harm_its_drain(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    beaten = threading.Event()

    def renew(self: ShardLease) -> None:
        beaten.set()
        raise RuntimeError("injected")

    monkeypatch.setattr(ShardLease, "renew", renew)
    worker = bench.worker(lease_ms=500)
    slow = before(worker.invalidator, "begin_write", lambda: beaten.wait(20))
    assert bench.drain(replace(worker, invalidator=slow)) == "done"
    bench.assert_all_well(batch)
