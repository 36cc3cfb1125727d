"""What an API process holds while it serves, opened and closed in a written order."""

import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from api.group_commit import GroupCommit
from api.health import Ping
from api.history import History
from api.ingest import Ingest
from api.settings import ApiSettings
from storage.connections import connect_async
from storage.database import reading_engine
from storage.errors import StorageError
from storage.event_store import EventStore
from storage.intake import Intake
from storage.page_cache import PageCache
from storage.settings import StorageSettings
from storage.sweeper import Sweeper
from storage.wake import Waker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """The parts that the routes use."""

    settings: ApiSettings
    ingest: Ingest
    history: History
    pings: dict[str, Ping]


@asynccontextmanager
async def open_services(storage: StorageSettings, settings: ApiSettings) -> AsyncIterator[Services]:
    """Everything the routes need. Servers that are away now may come later: nothing fails here."""
    intake = Intake(connect_async(storage.queue_url), storage.shards)
    cache = PageCache(
        connect_async(storage.control_url), settings.cache_seconds * 1000, settings.cache_grace_ms
    )
    store = EventStore(reading_engine(storage.database_url, storage.database_pool))
    waking = ThreadPoolExecutor(1, "wake")
    waker = Waker(storage.queue_url, storage.control_url, storage.shards)
    group_commit = GroupCommit(
        intake.append,
        storage.shards,
        settings.pending_events,
        lambda shard, generation: _wake(waking, waker, shard, generation),
    )
    history = History(store, cache, intake, storage.database_pool)
    sweeper = Sweeper(Waker(storage.queue_url, storage.control_url, storage.shards))
    try:
        await intake.announce()
    except StorageError as error:
        log.warning("starting without the queue: %s", error)
    sweeper.start()
    try:
        yield Services(
            settings,
            Ingest(group_commit),
            history,
            {"queue": intake.announce, "control": cache.ping, "database": history.ping},
        )
    finally:
        # What was accepted is written first; then the wake-ups; then nothing needs a server.
        await group_commit.close()
        waking.shutdown()
        sweeper.stop()
        await intake.close()
        await cache.close()
        store.close()


def _wake(waking: ThreadPoolExecutor, waker: Waker, shard: int, generation: int) -> None:
    """Enqueue a drain without making its producer wait; if it fails, the sweeper repeats it."""

    def enqueue() -> None:
        with suppress(StorageError):
            waker.enqueue(shard, generation)

    waking.submit(enqueue)
