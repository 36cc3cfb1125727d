"""A drain on real servers that is killed or fails at each of its steps, or meets poison."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from rq.timeouts import JobTimeoutException

from storage.cache.invalidation import CacheInvalidator
from storage.errors import (
    ControlUnavailable,
    DatabaseUnavailable,
    LeaseLost,
    QueueUnavailable,
    RefusedShare,
)
from storage.events.writer import BatchTransaction, BatchWriter
from storage.model.event import Event
from storage.queue.lease import ShardLease
from storage.redis import keys
from tests.support import drain_bench
from tests.support.drain_bench import Bench, Killed, before, failing_commit, failing_once, raising
from tests.support.queued import (
    append,
    assert_balanced,
    assert_stored_once,
    backlog,
    dead_ids,
    make_event,
    make_events,
    state,
)
from worker.drain import drain

bench = drain_bench.bench


def test_events_land_exactly_once_and_nothing_is_left_behind(bench: Bench) -> None:
    batch = make_events(1_000)
    append(bench.settings, batch)
    assert bench.drain(bench.worker()) == "done"
    bench.assert_all_well(batch)
    assert "st" not in state(bench.queue)
    assert bench.jobs() == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("owner", "step", "kind"),
    [
        (BatchWriter, "last_fence", DatabaseUnavailable),
        (ShardLease, "acquire", QueueUnavailable),
        (BatchWriter, "terminate_stale_sessions", DatabaseUnavailable),
        (ShardLease, "read", QueueUnavailable),
        (BatchWriter, "ensure_partitions", DatabaseUnavailable),
        (BatchTransaction, "__init__", LeaseLost),  # reached when the shard is claimed
        (BatchTransaction, "insert", RefusedShare),
        (CacheInvalidator, "begin_write", ControlUnavailable),
        (CacheInvalidator, "end_write", ControlUnavailable),
        (ShardLease, "acknowledge", QueueUnavailable),
        (ShardLease, "release", QueueUnavailable),
    ],
)
def test_a_drain_killed_or_failing_at_any_step_loses_and_doubles_nothing(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    step: str,
    kind: type[Exception],
    when: str,
) -> None:
    everything: list[Event] = []
    for error in (Killed(), kind("injected"), JobTimeoutException("injected")):
        batch = make_events(30)
        everything += batch
        append(bench.settings, batch)
        with monkeypatch.context() as patched:
            failing_once(patched, owner, step, when, error)
            worker = bench.worker(batch_events=10)
            with pytest.raises(Killed) if isinstance(error, Killed) else nullcontext():
                assert bench.drain(worker) in ("paused", "lost")
            if state(bench.queue).get("st") == "r":
                assert bench.drain(worker) == "busy"
                bench.expire()
            assert_balanced(bench.queue)
            assert bench.drain(worker) == "done", "and by the same worker process"
        bench.assert_all_well(everything)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [Killed(), psycopg2.OperationalError("no answer")])
def test_a_commit_that_fails_or_whose_answer_is_lost_loses_and_doubles_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, when: str, error: BaseException
) -> None:
    batch = make_events(30)
    append(bench.settings, batch)
    worker = bench.worker(batch_events=10)
    failing_commit(monkeypatch, worker, when, error)
    if isinstance(error, Killed):
        with pytest.raises(Killed):
            bench.drain(worker)
        bench.expire()
    else:
        assert bench.drain(worker) == "paused"
    assert_stored_once(bench.engine, batch[:10] if when == "after" else [])
    assert bench.drain(worker) == "done"
    bench.assert_all_well(batch)


def test_a_drain_whose_successor_could_not_be_enqueued_is_healed_by_the_sweeper(
    bench: Bench,
) -> None:
    batch = make_events(20)
    append(bench.settings, batch)
    worker = bench.worker(batch_events=10)
    scheduler = before(worker.scheduler, "enqueue", raising(ControlUnavailable("injected")))
    scheduler = before(scheduler, "waiting", worker.stopping.set)
    assert bench.drain(replace(worker, scheduler=scheduler)) == "paused"
    assert backlog(bench.queue) == 10
    assert bench.jobs() == []
    bench.expire()
    assert worker.scheduler.sweep() == 1
    assert len(bench.jobs()) == 1
    assert bench.drain(bench.worker()) == "done"
    bench.assert_all_well(batch)


def test_begin_taking_the_lease_without_an_answer_costs_one_term(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    run = ShardLease._run

    def lost(self: ShardLease, script: str, names: list[str], args: Any) -> Any:
        run(self, script, names, args)
        raise QueueUnavailable("the answer was lost")

    with monkeypatch.context() as patched:
        patched.setattr(ShardLease, "_run", lost)
        assert bench.drain(bench.worker()) == "paused"
    assert state(bench.queue)["st"] == "r"
    assert bench.drain(bench.worker()) == "busy"
    bench.expire()
    assert bench.drain(bench.worker()) == "done"
    bench.assert_all_well(batch)


# Servers away


def test_nothing_is_acknowledged_before_the_cache_knows_of_it(bench: Bench) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    worker = bench.worker()
    away = raising(ControlUnavailable("injected"))
    broken = replace(worker, invalidator=before(worker.invalidator, "end_write", away))
    assert bench.drain(broken) == "paused"
    assert_stored_once(bench.engine, batch)
    assert backlog(bench.queue) == 5
    assert bench.drain(worker) == "done"
    bench.assert_all_well(batch)


def test_a_poison_event_becomes_a_dead_letter_and_the_rest_is_stored(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = make_events(20), make_event("poison", data=b'"\\u0000"')
    append(bench.settings, [*good[:10], bad, *good[10:]])
    assert bench.drain(bench.worker()) == "done"
    assert_stored_once(bench.engine, good)
    assert dead_ids(bench.engine) == {bad.id: 1}
    assert_balanced(bench.queue)
    assert backlog(bench.queue) == 0
    assert bad.id in caplog.text


def test_poison_that_can_not_become_a_dead_letter_is_not_forgotten(bench: Bench) -> None:
    good, bad = make_events(5), make_event("poison", data=b'"\\u0000"')
    append(bench.settings, [*good, bad])
    with bench.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE dead_letters ADD CHECK (reason = 'none')"))
    worker = bench.worker()
    assert bench.drain(worker) == "paused"
    assert backlog(bench.queue) == 6
    assert_stored_once(bench.engine, [])
    with bench.engine.begin() as connection:
        connection.execute(
            sa.text("ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_reason_check")
        )
    assert bench.drain(worker) == "done"
    assert_stored_once(bench.engine, good)
    assert dead_ids(bench.engine) == {bad.id: 1}


def test_a_sweep_finds_the_shards_of_an_earlier_larger_setting(bench: Bench) -> None:
    append(bench.settings, batch := make_events(3), shard=2)
    bench.queue.hdel(keys.state(2), "st", "exp")
    worker = bench.worker()  # whose setting is one shard
    announced = bench.queue.zscore(keys.SHARD_COUNT, "count")
    assert announced == bench.settings.shards > 2  # by who appended
    assert worker.scheduler.sweep() == 1
    assert bench.jobs() == [b"drain-2-2"]
    bench.current.worker = worker
    assert drain(2) == "done"
    assert_stored_once(bench.engine, batch)


def test_a_batch_of_poison_stays_queued(bench: Bench) -> None:
    append(bench.settings, [make_event(data=b'"\\u0000"') for _ in range(20)])
    assert bench.drain(bench.worker()) == "paused"
    assert backlog(bench.queue) == 20
    assert dead_ids(bench.engine) == {}
    assert bench.worker().scheduler.sweep() == 0, "it is not tried again at once"
