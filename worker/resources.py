"""The resources that a worker process keeps between drains: connections and settings."""

import threading
from dataclasses import dataclass, field
from functools import cache

import redis

from storage.cache.invalidation import CacheInvalidator
from storage.events.writer import BatchWriter
from storage.postgres.engine import writing_engine
from storage.queue.scheduler import DrainScheduler
from storage.redis.client import connect
from storage.settings import StorageSettings
from worker.batch_size import BatchSize
from worker.failures import FailureLog
from worker.pace_meter import PaceMeter
from worker.settings import WorkerSettings


@dataclass(frozen=True)
class Resources:
    """What the drains of a process use, and `stopping`: end after the current batch.

    A signal handler sets `stopping`, so poll it and never call its `wait`: a handler that
    interrupts `wait` in its own thread would wait for its lock for ever.
    """

    queue: redis.Redis
    writer: BatchWriter
    invalidator: CacheInvalidator
    scheduler: DrainScheduler
    settings: WorkerSettings
    size: BatchSize
    tells_wal: bool = False  # readers use standbys, and must know what these must have replayed
    stopping: threading.Event = field(default_factory=threading.Event)
    failures: FailureLog = field(default_factory=FailureLog)
    meter: PaceMeter = field(default_factory=PaceMeter)

    def close(self) -> None:
        """Close the connections to the queue and to PostgreSQL."""
        self.writer.close()
        self.queue.close()


def open_resources(storage: StorageSettings, settings: WorkerSettings) -> Resources:
    """Make the resources. Each of them connects at its first use."""
    return Resources(
        queue=connect(storage.queue_url),
        writer=BatchWriter(writing_engine(storage.database_url), storage.partition_by),
        invalidator=CacheInvalidator(connect(storage.control_url)),
        scheduler=DrainScheduler(storage.queue_url, storage.control_url, storage.shards),
        settings=settings,
        size=BatchSize(settings.batch_events, settings.batch_bytes),
        tells_wal=bool(storage.read_url),
    )


@cache
def resources() -> Resources:
    """Return the resources of this process."""
    return open_resources(StorageSettings(), WorkerSettings())
