"""Walking the history by cursor: each event once, whatever pours in meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

import pytest

from storage.cache.invalidation import CacheInvalidator
from storage.cache.tags import of_events
from storage.events import page_rows
from storage.events.writer import BatchWriter
from storage.model.event import Event, created_ms, now_ms
from storage.model.filters import Filters, Order
from storage.postgres.engine import writing_engine
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support.reading import Reader, made, reader, store

DAY_MS = 86_400_000


@pytest.fixture
def read(settings: StorageSettings) -> Iterator[Reader]:
    with reader(settings) as reading:
        yield reading


def walk(read: Reader, filters: Filters) -> list[list[str]]:
    """Return the ids of every page from the first to the one without a next."""
    pages = []
    while True:
        events, cursor = read.page(filters)
        pages.append([event["id"] for event in events])
        if cursor is None:
            return pages
        filters = replace(filters, cursor=cursor)


def joined(pages: list[list[str]]) -> list[str]:
    return [event_id for page in pages for event_id in page]


def in_order(events: list[Event], order: Order = "asc") -> list[str]:
    events = sorted(events, key=lambda e: (created_ms(e), e.id), reverse=order == "desc")
    return [event.id for event in events]


class Pouring:
    """A thread that stores batch after batch as drains do: among, before and behind the rest."""

    def __init__(self, settings: StorageSettings, around_ms: int) -> None:
        self._settings = settings
        self._around_ms = around_ms
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.batches = 0

    def _run(self) -> None:
        engine = writing_engine(self._settings.database_url)
        writer = BatchWriter(engine, self._settings.partition_by)
        with connect(self._settings.control_url) as client:
            invalidator = CacheInvalidator(client)
            while not self._stop.is_set():
                batch = [made(self._around_ms + step, "poured") for step in (-1, 0, 1, DAY_MS)]
                writer.ensure_partitions(batch)
                with writer.batch(0, 1) as transaction:
                    transaction.insert(batch)
                    invalidator.begin_write(0, created_ms(batch[0]), of_events(batch), fence=1)
                invalidator.end_write(0, created_ms(batch[0]), of_events(batch), fence=1)
                self.batches += 1
        engine.dispose()

    def __enter__(self) -> "Pouring":
        self._thread.start()
        wait_until(lambda: self.batches, "the first batch")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@contextmanager
def pouring(settings: StorageSettings, around_ms: int) -> Iterator[Pouring]:
    with Pouring(settings, around_ms) as thread:
        before = thread.batches
        yield thread
        wait_until(lambda: thread.batches > before, "more to have poured in")


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(("count", "limit"), [(2_000, 97), (60, 1), (3_000, 1000)])
def test_a_walk_sees_each_event_of_one_millisecond_once_while_others_pour_in(
    settings: StorageSettings, read: Reader, order: Order, count: int, limit: int
) -> None:
    ms = now_ms()
    stored = [made(ms) for _ in range(count)]
    store(settings, stored)
    with pouring(settings, ms):
        pages = walk(read, Filters(component=("orders",), order=order, limit=limit))
    assert joined(pages) == in_order(stored, order)
    assert all(len(page) == limit for page in pages[:-1])


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_walk_without_filters_over_days_sees_what_was_there_once_while_others_pour_in(
    settings: StorageSettings, read: Reader, order: Order
) -> None:
    midnight = now_ms() // DAY_MS * DAY_MS
    stored = [
        made(midnight - day * DAY_MS + step)
        for day in range(3)
        for step in (-2, -1, 0, 1, 2)
        for _ in range(20)
    ]
    store(settings, stored)
    known = {event.id for event in stored}
    # Ascending, the walk would never end if it had to overtake what pours in behind its end.
    filters = Filters(order=order, limit=7)
    with pouring(settings, midnight - 40 * DAY_MS if order == "asc" else midnight):
        seen = joined(walk(read, filters)) if order == "desc" else until_known(read, filters, known)
    assert len(seen) == len(set(seen))
    assert [event_id for event_id in seen if event_id in known] == in_order(stored, order)


def until_known(read: Reader, filters: Filters, known: set[str]) -> list[str]:
    """Ascending, as far as the last of the known."""
    seen: list[str] = []
    left = set(known)
    while left:
        events, cursor = read.page(filters)
        seen += [event["id"] for event in events]
        left -= set(seen)
        assert cursor or not left
        filters = replace(filters, cursor=cursor)
    return seen


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_walk_with_filters_and_dates_sees_exactly_what_matches(
    settings: StorageSettings, read: Reader, order: Order
) -> None:
    ms = now_ms()
    stored = [
        made(
            ms - number // 3,
            component=("orders", "billing")[number % 2],
            email=("jo@a.b", None, "AL@a.b")[number % 3],
            message=f"number {number}",
            data=f'{{"n":{number % 5}}}',
        )
        for number in range(600)
    ]
    store(settings, stored)
    matching = [
        event
        for number, event in enumerate(stored)
        if number % 2 == 0 and number % 3 == 2 and number % 5 < 2 and "1" in event.message
    ]
    filters = Filters(
        component=("orders",),
        email=("al@a.b",),
        data=(('{"n":0}', '{"n":1}'),),
        message=("R 1", "1"),
        order=order,
        limit=3,
    )
    assert len(matching) > 6
    assert joined(walk(read, filters)) == in_order(matching, order)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20])
def test_the_next_cursor_is_null_exactly_at_the_end(
    settings: StorageSettings, read: Reader, order: Order, count: int
) -> None:
    stored = [made(now_ms()) for _ in range(count)]
    store(settings, stored)
    pages = walk(read, Filters(order=order, limit=10))
    assert [len(page) for page in pages] == [10] * (max(count - 1, 0) // 10) + [
        count - max(count - 1, 0) // 10 * 10
    ]
    assert joined(pages) == in_order(stored, order)


def test_a_cursor_goes_on_where_its_event_was_also_with_another_limit_or_order(
    settings: StorageSettings, read: Reader
) -> None:
    stored = [made(now_ms()) for _ in range(10)]
    store(settings, stored)
    expected = in_order(stored)
    cursor = UUID(expected[4])
    assert joined(walk(read, Filters(order="asc", cursor=cursor, limit=2))) == expected[5:]
    assert joined(walk(read, Filters(cursor=cursor, limit=3))) == expected[:4][::-1]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_walk_over_huge_events_has_shorter_pages_and_sees_each_once(
    settings: StorageSettings, read: Reader, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_rows, "PAGE_BYTES", 10_000)
    ms = now_ms()
    sizes = [10, 20_000, 10, 4_000, 4_000, 4_000, 4_000, 30_000, 30_000, 10]
    stored = [made(ms, message="x" * size, data=f'["{"y" * size}"]') for size in sizes]
    store(settings, stored)
    pages = walk(read, Filters(order=order, limit=8))
    assert joined(pages) == in_order(stored, order)
    assert len(pages) > 4
    assert all(pages)
