"""A drain on real servers that is killed or fails at each of its steps, is paused, or overtaken."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import psycopg2
import pytest
import redis
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
from storage.events.ngram_builder import record_next
from storage.events.ngrams import without
from storage.events.writer import BatchTransaction, BatchWriter
from storage.model.event import Event, now_ms, to_datetime
from storage.postgres.engine import plain_engine, transaction, writing_engine
from storage.postgres.partitions import covers
from storage.queue.lease import ShardLease
from storage.queue.scheduler import DRAIN_QUEUE, DrainScheduler
from storage.redis import keys
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.waiting import wait_until
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
from worker.batch_size import BatchSize
from worker.drain import drain
from worker.resources import Resources
from worker.settings import WorkerSettings

NOWHERE = "unix:///nonexistent/control.sock"


class Killed(BaseException):
    """A simulated kill -9: no code may handle it."""


@dataclass
class Bench:
    """One shard, with its servers and workers."""

    settings: StorageSettings
    engine: sa.Engine
    queue: redis.Redis
    control: redis.Redis
    writing: list[sa.Engine] = field(default_factory=list)
    current: threading.local = field(default_factory=threading.local)

    def worker(self, **more: int) -> Resources:
        """Open the resources of a worker process whose drains do not linger."""
        quick: dict[str, Any] = {
            "linger_ms": 0,
            "gather_ms": 0,
            "slice_ms": 60_000,
            "lease_ms": 60_000,
        }
        writing = writing_engine(self.settings.database_url)
        self.writing.append(writing)
        options: dict[str, Any] = {**quick, **more}
        settings = WorkerSettings(_env_file=None, **options)
        return Resources(
            queue=self.queue,
            writer=BatchWriter(writing, "day"),
            invalidator=CacheInvalidator(self.control),
            scheduler=DrainScheduler(self.settings.queue_url, self.settings.control_url, 1),
            settings=settings,
            size=BatchSize(settings.batch_events, settings.batch_bytes),
        )

    def drain(self, worker: Resources) -> str:
        """Run the job in this thread, as that worker."""
        self.current.worker = worker
        return drain(0)

    def jobs(self) -> list[bytes]:
        """Return the IDs of the drains that wait in RQ's list."""
        return self.control.lrange(f"rq:queue:{DRAIN_QUEUE}", 0, -1)  # type: ignore[return-value]

    def expire(self) -> None:
        """Let the present lease expire."""
        self.queue.hset(keys.state(0), "exp", 1)

    def assert_all_well(self, batch: list[Event]) -> None:
        """Check that events are stored once, have left the queue, and no cache tag is pending."""
        assert_stored_once(self.engine, batch)
        assert_balanced(self.queue)
        assert backlog(self.queue) == 0
        assert int(state(self.queue)["trimmed"]) == len(batch)
        self.assert_no_pending_tags()

    def assert_no_pending_tags(self) -> None:
        assert not self.control.exists(keys.pending_tags(0), keys.PENDING_WRITERS)


@pytest.fixture
def bench(settings: StorageSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    engine = plain_engine(settings.database_url)
    with connect(settings.queue_url) as queue, connect(settings.control_url) as control:
        found = Bench(settings, engine, queue, control)
        monkeypatch.setattr("worker.drain.resources", lambda: found.current.worker)
        yield found
    for used in [engine, *found.writing]:
        used.dispose()


class Running:
    """A drain in a thread of its own."""

    def __init__(self, bench: Bench, worker: Resources) -> None:
        self.result: str | BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(bench, worker))
        self._thread.start()

    def _run(self, bench: Bench, worker: Resources) -> None:
        try:
            self.result = bench.drain(worker)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            self.result = error

    def join(self) -> str | BaseException | None:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.result


class Gate:
    """A step at which a drain stops until it is released."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def stop_here(self) -> None:
        self.reached.set()
        assert self.open.wait(20)


def before(target: Any, name: str, act: Callable[[], object]) -> Any:
    """Return the same object, but run `act` before each call of that method."""

    class Before:
        def __getattr__(self, attribute: str) -> Any:
            found = getattr(target, attribute)
            if attribute != name:
                return found

            def call(*args: Any) -> Any:
                act()
                return found(*args)

            return call

    return Before()


def failing_once(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, when: str, error: BaseException
) -> None:
    """Let the method raise at its first call: before its work, or after it."""
    original = getattr(owner, name)
    calls: list[None] = []

    def step(*args: Any, **more: Any) -> Any:
        calls.append(None)
        if len(calls) > 1:
            return original(*args, **more)
        if when == "before":
            raise error
        original(*args, **more)
        raise error

    monkeypatch.setattr(owner, name, step)


def failing_commit(
    monkeypatch: pytest.MonkeyPatch, worker: Resources, when: str, error: BaseException
) -> None:
    """Let the commit of the first batch fail, or its answer be lost."""
    dialect = worker.writer._engine.dialect
    original = dialect.do_commit
    claimed: list[None] = []
    claim = BatchTransaction.insert

    def insert(self: BatchTransaction, *args: Any) -> Any:
        claimed.append(None)
        return claim(self, *args)

    def commit(connection: Any) -> None:
        if len(claimed) != 1:
            return original(connection)
        claimed.append(None)
        if when == "after":
            original(connection)
        raise error

    monkeypatch.setattr(BatchTransaction, "insert", insert)
    monkeypatch.setattr(dialect, "do_commit", commit)


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


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


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


# Two drains


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
    """A drain that stopped inside its transaction, before it began its cache write."""
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


# When a drain ends


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
    readings = iter(range(0, 1_000_000, 4))
    clock = SimpleNamespace(monotonic=lambda: next(readings), sleep=time.sleep)
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


def sizes_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record how many events each read of a shard returns, from now on."""
    sizes: list[int] = []
    read = ShardLease.read

    def spy(self: ShardLease, *args: Any) -> Any:
        found = read(self, *args)
        sizes.append(len(found.events) if found else 0)
        return found

    monkeypatch.setattr(ShardLease, "read", spy)
    return sizes


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


# Reading ahead


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


# Servers away


def test_without_postgresql_a_drain_pauses_and_nothing_is_lost(bench: Bench) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    away = sa.create_engine("postgresql+psycopg2:///activity?host=/nonexistent")
    worker = bench.worker()
    worker.size.count = 5_000
    broken = replace(worker, writer=BatchWriter(away, "day"))
    assert bench.drain(broken) == "paused"
    assert worker.size.count == 128, "the next try is a small one"
    assert bench.jobs() == []
    assert worker.scheduler.sweep() == 0, "it is not tried again at once"
    bench.expire()
    assert worker.scheduler.sweep() == 1
    assert bench.drain(worker) == "done"
    bench.assert_all_well(batch)


def test_postgresql_going_away_during_a_batch_pauses_the_drain(
    bench: Bench, servers: TestServers
) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    worker = bench.worker()

    def cut() -> None:
        servers.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'activity-drain-0'"
        )

    broken = replace(worker, invalidator=before(worker.invalidator, "begin_write", cut))
    assert bench.drain(broken) == "paused"
    assert state(bench.queue)["st"] == "q"
    assert worker.scheduler.sweep() == 0, "it is not tried again at once"
    assert backlog(bench.queue) == 5
    assert bench.drain(worker) == "done", "the lost connection is not used again"
    bench.assert_all_well(batch)


def test_a_session_that_postgresql_ended_between_two_batches_is_replaced_without_a_pause(
    bench: Bench, servers: TestServers
) -> None:
    batch = make_events(20)
    append(bench.settings, batch)
    worker = bench.worker(batch_events=10)
    idle = "FROM pg_stat_activity WHERE application_name = 'activity-drain'"

    def end() -> None:
        servers.execute(f"SELECT pg_terminate_backend(pid) {idle}")
        wait_until(lambda: not count(bench.engine, f"SELECT count(*) {idle}"), "its end")

    broken = replace(worker, invalidator=before(worker.invalidator, "end_write", end))
    assert bench.drain(broken) == "done"
    bench.assert_all_well(batch)


def count(engine: sa.Engine, query: str) -> int:
    with engine.connect() as connection:
        return connection.scalar(sa.text(query)) or 0


def test_a_connection_lost_in_the_middle_of_copy_pauses_the_drain(
    bench: Bench, servers: TestServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [make_event("x" * 1_000) for _ in range(3_000)]
    append(bench.settings, batch)
    reads: list[int] = []

    class CutInTheMiddle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            reads.append(1)
            if len(reads) == 2:
                servers.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'activity-drain-0'"
                )
            return super().read(size)

    worker = bench.worker()
    with monkeypatch.context() as patched:
        patched.setattr("storage.events.insertion.io", SimpleNamespace(BytesIO=CutInTheMiddle))
        worker.size.count = 3_000
        assert bench.drain(worker) == "paused"
    assert len(reads) >= 2
    assert bench.writing[0].pool.checkedout() == 0  # type: ignore[attr-defined]
    assert bench.drain(worker) == "done"
    bench.assert_all_well(batch)


def test_a_database_that_is_not_migrated_pauses_the_drain_until_it_is(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    worker = bench.worker()
    for table in ("drain_ledger", "events"):
        with bench.engine.begin() as connection:
            connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO elsewhere"))
        assert bench.drain(worker) == "paused"
        assert f'relation "{table}" does not exist' in caplog.messages[-1]
        with bench.engine.begin() as connection:
            connection.execute(sa.text(f"ALTER TABLE elsewhere RENAME TO {table}"))
    assert bench.drain(worker) == "done"
    bench.assert_all_well(batch)


def test_nothing_is_committed_while_control_is_away(bench: Bench) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    worker = bench.worker()
    broken = replace(worker, invalidator=CacheInvalidator(connect(NOWHERE)))
    assert bench.drain(broken) == "paused"
    assert_stored_once(bench.engine, [])
    assert backlog(bench.queue) == 5
    assert dead_ids(bench.engine) == {}
    assert bench.drain(worker) == "done"
    bench.assert_all_well(batch)


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
