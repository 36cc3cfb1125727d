"""Drains on real servers, and ways to stop, kill or fail one at a step."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from storage.cache.invalidation import CacheInvalidator
from storage.events.writer import BatchTransaction, BatchWriter
from storage.model.event import Event
from storage.postgres.engine import plain_engine, writing_engine
from storage.queue.lease import ShardLease
from storage.queue.scheduler import DRAIN_QUEUE, DrainScheduler
from storage.redis import keys
from storage.redis.client import connect
from storage.settings import StorageSettings
from tests.support.queued import (
    assert_balanced,
    assert_stored_once,
    backlog,
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


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


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


def count(engine: sa.Engine, query: str) -> int:
    with engine.connect() as connection:
        return connection.scalar(sa.text(query)) or 0
