"""When a drain lingers, gives way or ends, and how large its batches are."""

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from storage.events.ngram_builder import record_next
from storage.events.ngrams import without
from storage.model.event import now_ms, to_datetime
from storage.postgres.engine import transaction
from storage.postgres.partitions import covers
from testbed.waiting import wait_until
from tests.support import drain_bench
from tests.support.drain_bench import Bench, Running, before, sizes_read
from tests.support.queued import (
    append,
    backlog,
    make_event,
    make_events,
    state,
)

bench = drain_bench.bench


def test_a_lingering_drain_picks_up_late_events_without_a_new_job(bench: Bench) -> None:
    early, late = make_events(5), make_events(5)
    append(bench.settings, early)
    worker = bench.worker(linger_ms=60_000)
    running = Running(bench, worker)
    wait_until(lambda: state(bench.queue).get("trimmed") == "5", "the early ones to be stored")
    assert append(bench.settings, late) == 0
    wait_until(lambda: state(bench.queue).get("trimmed") == "10", "the late ones to be stored")
    assert state(bench.queue)["gen"] == "1"
    worker.stopping.set()
    assert running.join() == "done"
    bench.assert_all_well([*early, *late])


def test_an_event_that_is_drained_days_late_is_in_no_span_that_searches_leave_out(
    bench: Bench,
) -> None:
    days_ago = now_ms() - 3 * 86_400_000
    for message in ("in time", "late"):
        append(bench.settings, [make_event(message, days_ago)])
        bench.drain(bench.worker())
        while record_next(bench.engine):
            pass
        with transaction(bench.engine) as connection:
            found = without(connection, ["la"])
        assert covers(found, to_datetime(days_ago)) == (message == "in time")


def test_a_lingering_drain_makes_way_for_another(bench: Bench) -> None:
    append(bench.settings, make_events(5))
    worker = bench.worker(linger_ms=60_000)
    running = Running(bench, worker)
    wait_until(lambda: state(bench.queue).get("trimmed") == "5", "the events to be stored")
    bench.worker().scheduler.enqueue(1, 1)
    assert running.join() == "done"
    assert "st" not in state(bench.queue)


def test_a_drain_gives_way_after_a_batch_when_another_waits(bench: Bench) -> None:
    batch = make_events(30)
    append(bench.settings, batch)
    worker = bench.worker(batch_events=10)
    worker.scheduler.enqueue(1, 1)
    assert bench.drain(worker) == "done"
    assert backlog(bench.queue) == 20
    assert bench.jobs() == [b"drain-1-1", b"drain-0-2"]


def test_a_drain_ends_at_its_slice_and_enqueues_its_successor(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(bench.settings, make_events(30))
    clock = SimpleNamespace(
        monotonic=lambda: 4.0 * (30 - backlog(bench.queue)) / 10,  # 4 s a batch
        sleep=time.sleep,
    )
    monkeypatch.setattr("worker.drain.time", clock)
    assert bench.drain(bench.worker(batch_events=10, slice_ms=5_000)) == "done"
    assert backlog(bench.queue) == 10
    assert bench.jobs() == [b"drain-0-2"]
    assert state(bench.queue)["st"] == "q"


def test_a_drain_stops_after_its_batch_when_told_to_and_enqueues_the_rest(bench: Bench) -> None:
    append(bench.settings, make_events(30))
    worker = bench.worker(batch_events=10)
    invalidator = before(worker.invalidator, "begin_write", worker.stopping.set)
    assert bench.drain(replace(worker, invalidator=invalidator)) == "done"
    assert backlog(bench.queue) == 20
    assert bench.jobs() == [b"drain-0-2"]


def test_a_drain_that_is_stopping_already_passes_its_shard_on(bench: Bench) -> None:
    append(bench.settings, make_events(3))
    worker = bench.worker()
    worker.stopping.set()
    assert bench.drain(worker) == "done"
    assert backlog(bench.queue) == 3
    assert bench.jobs() == [b"drain-0-2"]


def test_large_events_shrink_the_batch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = [make_event("x" * 20_000) for _ in range(150)]
    append(bench.settings, batch)
    sizes = sizes_read(monkeypatch)
    worker = bench.worker(batch_bytes=100_000)
    assert bench.drain(worker) == "done"
    assert sizes[:2] == [128, 4]
    assert bench.drain(worker) == "done"
    assert worker.size.count < 128, "what was learned is not forgotten with the drain"
    bench.assert_all_well(batch)
