"""Read the history in-process: store made-up events directly, and read them through History."""

import asyncio
import itertools
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import redis

from api.query import cursors
from api.query.question import PageQuestion
from api.query.service import History, Served
from api.query.standbys import Standbys
from storage.cache.page_cache import PageCache
from storage.events.reader import EventStore
from storage.events.writer import BatchWriter
from storage.model.cached_page import CachedPage
from storage.model.event import Event, id_text, time_text
from storage.model.filters import Filters
from storage.postgres import partitions
from storage.postgres.engine import reading_engine, transaction, writing_engine
from storage.queue.cluster_producer import producer_of
from storage.queue.producer import BacklogLimits, QueueProducer
from storage.redis.client import connect, connect_async
from storage.settings import StorageSettings

T = TypeVar("T")

_numbers = itertools.count()


def made(
    ms: int,
    component: str = "orders",
    environment: str = "production",
    message: str = "an order was shipped",
    email: str | None = None,
    data: str = "null",
    number: int | None = None,
    occurred_at: str | msgspec.UnsetType = msgspec.UNSET,
) -> Event:
    """Make an event of that millisecond; `number` orders events within it."""
    number = next(_numbers) if number is None else number
    raw = ms.to_bytes(6, "big") + b"\x70\x00\x80\x00" + number.to_bytes(6, "big")
    return Event(
        id_text(raw),
        time_text(ms),
        component,
        environment,
        message,
        email,
        msgspec.Raw(data),
        occurred_at,
    )


def store(settings: StorageSettings, events: Iterable[Event], size: int = 5_000) -> None:
    """Write events into PostgreSQL as a drain would, without queue and cache."""
    engine = writing_engine(settings.database_url)
    writer = BatchWriter(engine, settings.partition_by)
    rest = list(events)
    while rest:
        part, rest = rest[:size], rest[size:]
        writer.ensure_partitions(part)
        with writer.batch(99, 1) as transaction:
            transaction.insert(part)
    engine.dispose()


def make_days(settings: StorageSettings, days: Iterable[datetime]) -> None:
    """Make a partition for each of these days, which would share one if they are long past."""
    engine = writing_engine(settings.database_url)
    with transaction(engine) as connection:
        partitions.ensure(connection, days, "day")
    engine.dispose()


@dataclass(frozen=True)
class Reader:
    """The reading half of one API process, and its event loop."""

    runner: asyncio.Runner
    history: History
    cache: PageCache
    producer: QueueProducer
    control: redis.Redis
    queue: redis.Redis

    def run(self, call: Awaitable[T]) -> T:
        """Run a coroutine on the loop, and wait for its result."""

        async def wait() -> T:
            return await call

        return self.runner.run(wait())

    def served(self, filters: Filters) -> Served:
        """Return the page, and where it came from."""
        return self.run(self.history.page(PageQuestion.of(filters)))

    def held(self, filters: Filters) -> CachedPage | None:
        """Return the page if the process has it and may serve it."""
        question = PageQuestion.of(filters)
        return self.run(local_page(self.cache, question.digest, question.tags))

    def page(self, filters: Filters) -> tuple[list[dict[str, Any]], UUID | None]:
        """Return the page's events, and the cursor of the next page."""
        return opened(self.served(filters))


async def local_page(cache: PageCache, name: str, proof: list[str]) -> CachedPage | None:
    """Return the local page if control says that it may be served."""
    local = cache.local(name, proof)
    return local.page if local and await local.current == local.page.etag else None


def opened(served: Served) -> tuple[list[dict[str, Any]], UUID | None]:
    """Decode a page."""
    body = msgspec.json.decode(served.page.body)
    cursor = body["next_cursor"]
    return body["events"], None if cursor is None else cursors.decode(cursor)


@contextmanager
def reader(
    settings: StorageSettings,
    store: type[EventStore] = EventStore,
    grace_ms: int = 0,
    ttl_ms: int = 60_000,
) -> Iterator[Reader]:
    """Yield a reader over these servers; its cache has no grace period by default."""
    with (
        asyncio.Runner() as runner,
        redis.Redis.from_url(settings.control_url) as control,
        connect(settings.queue_url) as queue,
        closing(Standbys(settings, grace_ms)) as standbys,
    ):
        standbys.start()
        clients = connect_async(settings.control_url), connect_async(settings.queue_url)
        cache = PageCache(clients[0], ttl_ms, grace_ms)
        producer = producer_of(clients[1], settings.shards, BacklogLimits())
        engine_of = partial(reading_engine, pool=settings.database_pool)
        primary = engine_of(settings.database_url)
        events = store(primary, router=standbys.router(primary, engine_of))
        history = History(events, cache, producer, settings.database_pool)
        yield Reader(runner, history, cache, producer, control, queue)
        for client in clients:
            runner.run(client.aclose())
        events.close()
