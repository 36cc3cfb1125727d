"""Read pages through the cache, and events by id from the queue or PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar
from uuid import UUID

import msgspec

from api.query import cursors, receipts
from api.query.bounded_threads import BoundedThreads
from api.query.question import PageQuestion
from api.query.single_flight import SingleFlight
from api.query.watermark import watermark_or_zero
from storage.cache.page_cache import LocalPage, Miss, PageCache
from storage.errors import ControlUnavailable, DatabaseUnavailable, QueueUnavailable
from storage.events.page_rows import Page
from storage.events.reader import EventStore
from storage.model.cached_page import CachedPage
from storage.model.entries import read_event
from storage.model.event import Event, id_ms, to_ms
from storage.model.filters import Filters
from storage.model.name_limits import NameLimits
from storage.model.receipt import Receipt, StoredState
from storage.model.wal_position import WalPosition
from storage.postgres.engine import ANSWER_SECONDS
from storage.queue.producer import QueueProducer

Verdict = Literal["HIT", "MISS", "BYPASS"]
T = TypeVar("T")
R = TypeVar("R", bound=Receipt)

# Pauses, in seconds, while another process runs the query: 3 s in total, then run it here too.
_PAUSES = (0.005, 0.01, 0.02, 0.04, 0.08, *[0.15] * 19)


@dataclass(frozen=True, slots=True)
class Served:
    """A page, and where it came from."""

    page: CachedPage
    verdict: Verdict


class PageBody(msgspec.Struct):
    """A page in its JSON form."""

    events: list[Event]
    next_cursor: str | None


class History:
    """The history of events. It is correct without the cache and control, only slower."""

    def __init__(
        self, store: EventStore, cache: PageCache, producer: QueueProducer, threads: int
    ) -> None:
        self._store = store
        self._cache = cache
        self._producer = producer
        self._threads = BoundedThreads(threads)
        self._single_flight: SingleFlight[Served] = SingleFlight()

    async def page(self, question: PageQuestion) -> Served:
        """Return the page that is asked for. Raises DatabaseUnavailable, QueryTooSlow."""
        name, work = question.digest, self._fill
        # A cached page must not wait for a query under way, nor for the queue's watermark.
        if self._single_flight.is_running(name) or _may_close(question.filters):
            try:
                found = await self._cache.lookup(name, question.tags)
            except ControlUnavailable:
                work = self._bypass
            else:
                if isinstance(found, CachedPage):
                    return Served(found, "HIT")
        return await self._single_flight.run(name, lambda: work(question))

    def local(self, name: str, page_tags: Sequence[str]) -> LocalPage | None:
        """Return the page of that digest and those tags if it is local: see `PageCache.local`."""
        return self._cache.local(name, page_tags)

    async def find(
        self, event_ids: Sequence[UUID], limits: NameLimits | None = None
    ) -> dict[UUID, tuple[Event, Receipt]]:
        """Return those of these events that were accepted, with their receipts.

        For an event outside of the client's limits, the same servers are asked in the same order
        as for one that was never accepted: the time that it takes must not tell them apart.

        Ask the queue first: an event leaves it only after the commit, so an event can't be missed
        between the two. Raises DatabaseUnavailable or QueueUnavailable if the unavailable server
        could have one of the events.
        """
        unavailable: QueueUnavailable | None = None
        found: dict[UUID, tuple[Event, Receipt]] = {}
        try:
            queued = await self._producer.find([event_id.bytes for event_id in event_ids])
            for raw_id, body in queued.items():
                with suppress(ValueError):  # the drain will store it as a dead letter
                    found[UUID(bytes=raw_id)] = (read_event(body), "queued")
            found = _within(limits, found)
        except QueueUnavailable as error:
            unavailable = error
        if rest := [event_id for event_id in event_ids if event_id not in found]:
            admits = limits.admits if limits else _everything
            stored = await self.in_thread(lambda: self._store.find(rest, admits))
            found.update(_within(limits, stored))
        if unavailable and len(found) < len(event_ids):
            raise unavailable
        return found

    async def known(self, raw_ids: Sequence[bytes]) -> set[bytes]:
        """Return which of many events were accepted, by their 16 id bytes; in the order of `find`.

        Raises DatabaseUnavailable, QueueUnavailable.
        """
        queued = await self._producer.known(raw_ids)
        rest = [raw_id for raw_id in raw_ids if raw_id not in queued] if queued else raw_ids
        if not rest:
            return queued
        return queued | await self.in_thread(lambda: self._store.known(rest))

    async def receipts(self, event_ids: Sequence[UUID], limits: NameLimits | None = None) -> Served:
        """Return these events and their receipts, never from the cache. Raises as `find` does."""
        return Served(receipts.render(event_ids, await self.find(event_ids, limits)), "BYPASS")

    async def around(
        self, before: Filters, after: Filters
    ) -> tuple[Sequence[Event], Sequence[Event]]:
        """Return the stored events of both sides, never from the cache.

        Raises DatabaseUnavailable, QueryTooSlow.
        """
        return await self.in_thread(lambda: self._store.around(before, after))

    async def stored_states(self, event_ids: Sequence[UUID]) -> dict[UUID, StoredState]:
        """Return the state of those that have left the queue. Raises DatabaseUnavailable."""
        return await self.in_thread(lambda: self._store.stored_states(event_ids))

    async def horizon(self) -> datetime | None:
        """Return the instant before which retention has removed events; None if it never has.

        Raises DatabaseUnavailable.
        """
        return await self.in_thread(self._store.horizon)

    async def ping(self) -> None:
        """Raise DatabaseUnavailable if the history can't be read."""
        await self.in_thread(self._store.ping)

    async def _fill(self, question: PageQuestion) -> Served:
        """Serve from the cache, or query PostgreSQL and keep the page, one process at a time."""
        name, filters = question.digest, question.filters
        try:
            watermark_ms = await self._watermark(filters)
            for pause in _PAUSES:
                found = await self._cache.lookup_or_lead(name, question.tags, watermark_ms)
                if isinstance(found, CachedPage):
                    return Served(found, "HIT")
                if isinstance(found, Miss):
                    return await self._lead(filters, name, found)
                await asyncio.sleep(pause)
        except ControlUnavailable:
            pass
        return await self._bypass(question)

    async def _lead(self, filters: Filters, name: str, miss: Miss) -> Served:
        try:
            page, body = await self.in_thread(lambda: self._read(filters, miss.wal))
        except BaseException:
            await _quietly(self._cache.leave(name))
            raise
        end = window_end(filters, page)
        closed = end is not None and end <= miss.watermark_ms
        generations = miss.closed if closed else miss.generations
        await _quietly(self._cache.keep(name, generations, body))
        return Served(body, "MISS")

    async def _bypass(self, question: PageQuestion) -> Served:
        _, body = await self.in_thread(lambda: self._read(question.filters, None))
        return Served(body, "BYPASS")

    def _read(self, filters: Filters, wal: WalPosition | None) -> tuple[Page, CachedPage]:
        page = self._store.page(filters, wal)
        return page, render(page)

    async def _watermark(self, filters: Filters) -> int:
        """Return the ms before which everything is stored; 0 if unknown, or of no use here."""
        return await watermark_or_zero(self._producer) if _may_close(filters) else 0

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run blocking work in a thread, as many at once as there are connections to PostgreSQL.

        Beyond them, work waits in line. Raises DatabaseUnavailable after ANSWER_SECONDS in all. The
        thread then ends by itself, at the limits of its session or once PostgreSQL moves again.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._threads.run(work)
        except TimeoutError:
            raise DatabaseUnavailable("PostgreSQL did not answer in time") from None


def _everything(_: Event) -> bool:
    return True


def _within(
    limits: NameLimits | None, found: Mapping[UUID, tuple[Event, R]]
) -> dict[UUID, tuple[Event, R]]:
    """Return those of the events that the client's limits admit."""
    if limits is None:
        return dict(found)
    return {event_id: one for event_id, one in found.items() if limits.admits(one[0])}


def render(page: Page) -> CachedPage:
    """Return the page as JSON."""
    cursor = cursors.encode(UUID(page.events[-1].id)) if page.more else None
    return CachedPage.of(msgspec.json.encode(PageBody(page.events, cursor)) + b"\n")


def window_end(filters: Filters, page: Page) -> int | None:
    """Return the ms from which on no event can belong to this page; None if there is none."""
    ends = [] if filters.end is None else [to_ms(filters.end) + 1]
    if filters.order == "desc" and filters.cursor is not None:
        ends.append(id_ms(filters.cursor) + 1)
    if filters.order == "asc" and page.more:
        ends.append(id_ms(UUID(page.events[-1].id)) + 1)
    return min(ends, default=None)


def _may_close(filters: Filters) -> bool:
    """Whether the page may have a window that ends: then it needs the watermark."""
    return filters.end is not None or filters.cursor is not None or filters.order == "asc"


async def _quietly(call: Awaitable[None]) -> None:
    """Ignore that control is unavailable: the answer does not depend on it."""
    with suppress(ControlUnavailable):
        await call
