"""A drain reads the next batch while it stores this one, and forgets it with its lease."""

from dataclasses import replace
from typing import Any

import pytest

from storage.errors import QueueUnavailable
from storage.queue.lease import ShardLease
from testbed.waiting import wait_until
from tests.support import drain_bench
from tests.support.drain_bench import Bench, Gate, Running, before, sizes_read
from tests.support.queued import (
    append,
    assert_stored_once,
    backlog,
    make_events,
)

bench = drain_bench.bench


def test_the_next_batch_is_read_while_this_one_is_stored_and_none_beyond_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_events(35)
    append(bench.settings, batch)
    gate = Gate()
    sizes = sizes_read(monkeypatch)
    slow = bench.worker(batch_events=10)
    running = Running(
        bench, replace(slow, invalidator=before(slow.invalidator, "begin_write", gate.stop_here))
    )
    assert gate.reached.wait(20)
    wait_until(lambda: len(sizes) == 2, "the second batch to be read before the first's commit")
    assert backlog(bench.queue) == 35
    gate.open.set()
    assert running.join() == "done"
    assert sizes == [10, 10, 10, 5, 0]
    bench.assert_all_well(batch)


@pytest.mark.parametrize("step", ["begin_write", "end_write"])
def test_what_was_read_ahead_is_forgotten_with_a_lost_lease_and_read_by_the_next_drain(
    bench: Bench, step: str
) -> None:
    batch = make_events(30)
    append(bench.settings, batch)
    gate = Gate()
    slow = bench.worker(batch_events=10)
    running = Running(
        bench, replace(slow, invalidator=before(slow.invalidator, step, gate.stop_here))
    )
    assert gate.reached.wait(20)
    bench.expire()
    assert bench.drain(bench.worker(batch_events=7)) == "done"
    gate.open.set()
    assert running.join() in ("lost", "paused")
    bench.assert_all_well(batch)


def test_nothing_is_read_ahead_when_the_drain_gives_way_anyway(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(bench.settings, make_events(30))
    reads: list[None] = []
    read = ShardLease.read

    def counted(lease: ShardLease, *args: Any) -> Any:
        reads.append(None)
        return read(lease, *args)

    monkeypatch.setattr(ShardLease, "read", counted)
    worker = bench.worker(batch_events=10)
    worker.scheduler.enqueue(1, 1)
    assert bench.drain(worker) == "done"
    assert len(reads) == 1


def test_a_failure_of_reading_ahead_is_told_after_the_batch_before_it_is_stored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_events(30)
    append(bench.settings, batch)
    read = ShardLease.read

    def fail_ahead(self: ShardLease, count: int, max_bytes: int, behind: Any) -> Any:
        if behind:
            raise QueueUnavailable("injected")
        return read(self, count, max_bytes)

    with monkeypatch.context() as patched:
        patched.setattr(ShardLease, "read", fail_ahead)
        assert bench.drain(bench.worker(batch_events=10)) == "paused"
    assert_stored_once(bench.engine, batch[:10])
    assert backlog(bench.queue) == 20
    assert bench.drain(bench.worker()) == "done"
    bench.assert_all_well(batch)
