"""What an API process holds while it serves, opened and closed in a written order."""

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import cast

from starlette.requests import Request

from api.formats.otlp.export import Bounds
from api.http.request_body import BodyLimits, Room
from api.ingest.ack import Acknowledgement
from api.ingest.batch_reader import BatchLimits
from api.ingest.commit_waiter import StoredWatch
from api.ingest.group_commit import GroupCommit
from api.ingest.idempotency import Idempotency
from api.ingest.service import Ingest
from api.ops.health import PROBE_SECONDS, Ping
from api.ops.status import Status
from api.query.service import History
from api.settings import ApiSettings
from storage.cache.page_cache import PageCache
from storage.errors import DatabaseMismatch, DatabaseUnavailable, StorageError
from storage.events.ledger import read_ledger
from storage.events.reader import EventStore
from storage.postgres.engine import reading_engine
from storage.queue.backlog_monitor import BacklogWatch
from storage.queue.inspector import Inspector
from storage.queue.producer import Intake
from storage.queue.producer import Limits as BacklogLimits
from storage.queue.scheduler import Waker
from storage.queue.sweeper import Sweeper
from storage.redis.client import connect_async
from storage.settings import StorageSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Of one posted event, of a batch's whole body, of its items, of its log records."""

    event: BodyLimits
    batch: BodyLimits
    items: BatchLimits
    records: Bounds

    @classmethod
    def of(cls, settings: ApiSettings) -> "Limits":
        """As they are set."""
        event, seconds = settings.event_bytes, settings.body_seconds
        count, size = settings.post_batch_events, settings.post_batch_bytes
        return cls(
            BodyLimits(event, seconds, "that one event may have"),
            BodyLimits(size, seconds, "that a batch may have"),
            BatchLimits(count, event),
            Bounds(count, event, 2 * size),
        )


@dataclass(frozen=True)
class Services:
    """The parts that the routes use."""

    limits: Limits
    room: Room
    ingest: Ingest
    acknowledgement: Acknowledgement
    history: History
    status: Status
    pings: dict[str, Ping]


@asynccontextmanager
async def open_services(
    storage: StorageSettings, settings: ApiSettings, room: Room
) -> AsyncIterator[Services]:
    """Everything the routes need. Servers that are away now may come later: nothing fails here."""
    queue = connect_async(storage.queue_url)
    most = BacklogLimits(settings.backlog_events, settings.backlog_bytes, settings.idempotency_keys)
    intake = Intake(queue, storage.shards, most)
    inspector = Inspector(queue, storage.shards, storage.queue_durability == "trusted")
    watch = BacklogWatch(inspector)
    cache = PageCache(
        connect_async(storage.control_url), settings.cache_seconds * 1000, settings.cache_grace_ms
    )
    engine = reading_engine(storage.database_url, storage.database_pool)
    store = EventStore(engine)
    waking = ThreadPoolExecutor(1, "wake")
    waker = Waker(storage.queue_url, storage.control_url, storage.shards)
    wake = partial(_wake, waking, waker)
    group_commit = GroupCommit(intake.append, storage.shards, settings.pending_events, wake)
    idempotency = Idempotency(intake, storage.shards, wake)
    history = History(store, cache, intake, storage.database_pool)
    stored_watch = StoredWatch(intake)
    sweeper = Sweeper(Waker(storage.queue_url, storage.control_url, storage.shards))
    status = Status(
        inspector,
        lambda: history.in_thread(lambda: read_ledger(engine)),
        lambda: asyncio.wrap_future(waking.submit(waker.crew)),
        watch,
    )
    await _greet(intake, inspector)
    await _look_at_history(history)
    sweeper.start()
    watch.start()
    try:
        yield Services(
            Limits.of(settings),
            room,
            Ingest(group_commit, idempotency, watch, intake.most),
            Acknowledgement(stored_watch, history.stored_states, settings.ack_seconds),
            history,
            status,
            {"queue": intake.announce, "control": cache.ping, "database": history.ping},
        )
    finally:
        # What was accepted is written first; then the wake-ups; then nothing needs a server.
        await group_commit.close()
        await stored_watch.close()
        await watch.stop()
        waking.shutdown()
        sweeper.stop()
        await intake.close()
        await cache.close()
        store.close()


def services_of(request: Request) -> Services:
    """Those of the application that this request came to."""
    return cast(Services, request.app.state.services)


async def _greet(intake: Intake, inspector: Inspector) -> None:
    """Make this process known to the queue, and say it loudly if that can't keep the promise."""
    try:
        await intake.announce()
        found = await inspector.server()
        for problem in found.problems:
            log.error("ACKNOWLEDGED EVENTS MAY BE LOST: %s", problem)
        if found.durability == "stated":
            log.warning(
                "that the queue keeps what is acknowledged is stated "
                "(ACTIVITY_QUEUE_DURABILITY=trusted) and not checked"
            )
    except StorageError as error:
        log.warning("starting without the queue: %s", error)


async def _look_at_history(history: History) -> None:
    """Say it loudly if this PostgreSQL will never do; events are accepted all the same."""
    with suppress(DatabaseUnavailable, TimeoutError):
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await history.ping()
        except DatabaseMismatch as error:
            log.error("EVENTS ARE ACCEPTED BUT NOT STORED: %s", error)


def _wake(waking: ThreadPoolExecutor, waker: Waker, shard: int, generation: int) -> None:
    """Enqueue a drain without making its producer wait; if it fails, the sweeper repeats it."""

    def enqueue() -> None:
        with suppress(StorageError):
            waker.enqueue(shard, generation)

    waking.submit(enqueue)
