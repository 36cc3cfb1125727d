"""A drain that is watched between any two of its steps, beside the cache and its readers."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest

from storage.cache.invalidation import CacheInvalidator
from storage.events.page_rows import Page
from storage.events.reader import EventStore
from storage.events.writer import BatchTransaction, BatchWriter
from storage.metrics.instruments import standby_reads
from storage.model.event import Event
from storage.model.filters import Filters
from storage.model.wal_position import WalPosition
from storage.postgres.engine import writing_engine
from storage.redis.client import connect
from storage.settings import StorageSettings
from tests.support.reading import Reader, reader
from worker.resources import Resources, open_resources
from worker.settings import WorkerSettings

SHARDS = 2


class Killed(Exception):
    """The drain's process died here."""


STEPS = ("inserted", "begun", "committed", "ended")
Step = Callable[[str], None]


class WatchedWriter(BatchWriter):
    """Says when a batch is about to be committed and when it is."""

    step: Step = staticmethod(lambda name: None)
    on_commit: Callable[[list[Event]], None]
    events: list[Event]

    def ensure_partitions(self, events: Any) -> None:
        self.events = list(events)
        super().ensure_partitions(events)

    @contextmanager
    def batch(
        self, shard: int, fence: int, oldest_ms: int | None = None
    ) -> Iterator[BatchTransaction]:
        events = self.events
        with super().batch(shard, fence, oldest_ms) as transaction:
            yield transaction
            self.step("begun")
        self.on_commit(events)
        self.step("committed")


class WatchedInvalidator(CacheInvalidator):
    """Says when a cache write is about to begin and when it has ended."""

    step: Step = staticmethod(lambda name: None)

    def begin_write(self, *args: Any, **more: Any) -> None:
        self.step("inserted")
        super().begin_write(*args, **more)

    def end_write(self, *args: Any, **more: Any) -> None:
        super().end_write(*args, **more)
        self.step("ended")


class WatchedStore(EventStore):
    """Notes what was committed when a query ran, and lets something happen around it."""

    before: Callable[[], None] = staticmethod(lambda: None)
    after: Callable[[], None] = staticmethod(lambda: None)
    on_query: Callable[[], None] = staticmethod(lambda: None)

    def page(self, filters: Filters, wal: WalPosition | None = None) -> Page:
        self.before()
        self.on_query()
        found = super().page(filters, wal)
        self.after()
        return found


@dataclass
class World:
    """The servers and the parts under test, shared by all runs of the machine."""

    reader: Reader
    settings: StorageSettings
    writer: WatchedWriter
    invalidator: WatchedInvalidator
    resources: Resources
    seen: Counter[str] = field(default_factory=Counter)

    def empty(self) -> None:
        self.reader.cache._local.clear()
        self.reader.control.flushall()
        self.reader.queue.flushall()
        with self.writer._engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM events; DELETE FROM drain_ledger")

    @property
    def store(self) -> WatchedStore:
        return cast(WatchedStore, self.reader.history._store)


class Outcome(NamedTuple):
    """Counts how often a read that may use a standby ends so."""

    seen: Counter[str]
    name: str

    def add(self) -> None:
        self.seen[self.name] += 1


def count_outcomes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count in `seen` how the reads end that may use a standby."""
    outcomes = {name: Outcome(world.seen, name) for name in standby_reads}
    monkeypatch.setattr("storage.postgres.read_router.standby_reads", outcomes)


@pytest.fixture
def world(settings: StorageSettings) -> Iterator[World]:
    settings = settings.model_copy(update={"shards": SHARDS})
    with reader(settings, WatchedStore) as reading:
        writer = WatchedWriter(writing_engine(settings.database_url), settings.partition_by)
        invalidator = WatchedInvalidator(connect(settings.control_url))
        scheduler: Any = SimpleNamespace(waiting=lambda: 0)
        drains = WorkerSettings(linger_ms=0, gather_ms=0, batch_events=3, _env_file=None)
        resources = replace(
            open_resources(settings, drains),
            writer=writer,
            invalidator=invalidator,
            scheduler=scheduler,
        )
        yield World(reading, settings, writer, invalidator, resources)
        writer._engine.dispose()
        resources.queue.close()
        invalidator._client.close()
