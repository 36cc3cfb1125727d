"""Pages of the past are closed, and stay hits while newer events are stored."""

from datetime import timedelta
from uuid import UUID

import pytest

from api.query.service import window_end
from storage.cache import tags
from storage.cache.invalidation import CacheInvalidator
from storage.events.page_rows import Page
from storage.model.event import Event, encode_event, now_ms, to_datetime
from storage.model.filters import Filters, Order
from storage.queue import producer
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support import cached_pages
from tests.support.cached_pages import SHARD
from tests.support.reading import Reader, made, reader, store

read = cached_pages.read
invalidator = cached_pages.invalidator

SECOND = to_datetime(1_000)
MICRO = timedelta(microseconds=1)
CURSOR = UUID(made(2_000).id)


@pytest.mark.parametrize(
    ("asked", "more", "end"),
    [
        (Filters(), True, None),
        (Filters(start=SECOND), True, None),
        (Filters(end=SECOND), False, 1_001),  # on the safe side by a millisecond
        (Filters(end=SECOND + MICRO), True, 1_001),
        (Filters(end=SECOND - MICRO), True, 1_000),
        (Filters(cursor=CURSOR), True, 2_001),
        (Filters(cursor=CURSOR, end=SECOND), False, 1_001),
        (Filters(cursor=CURSOR, end=to_datetime(3_000)), False, 2_001),
        (Filters(order="asc"), False, None),
        (Filters(order="asc", cursor=CURSOR), False, None),
        (Filters(order="asc"), True, 501),
        (Filters(order="asc", cursor=CURSOR, end=to_datetime(400)), True, 401),
        (Filters(order="asc", end=SECOND), False, 1_001),
    ],
)
def test_a_window_ends_behind_the_last_millisecond_that_could_change_the_page(
    asked: Filters, more: bool, end: int | None
) -> None:
    assert window_end(asked, Page([made(400), made(500)], more)) == end


def queue_and_store(
    read: Reader, settings: StorageSettings, invalidator: CacheInvalidator, event: Event
) -> None:
    """Store an event as a drain does, without the queue."""
    touched = tags.of_events([event])
    invalidator.begin_write(SHARD, int(event.id[:8] + event.id[9:13], 16), touched, fence=1)
    store(settings, [event])
    invalidator.end_write(SHARD, int(event.id[:8] + event.id[9:13], 16), touched, fence=1)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_page_of_the_past_stays_a_hit_while_newer_events_are_stored(
    read: Reader, settings: StorageSettings, invalidator: CacheInvalidator, order: Order
) -> None:
    now = now_ms()
    store(settings, [made(now - 90_000 - number) for number in range(3)])
    past = Filters(end=to_datetime(now - 60_000), order=order)
    present = Filters(end=to_datetime(now + 60_000), order=order)
    assert [read.served(asked).verdict for asked in (past, past)] == ["MISS", "HIT"]
    assert [read.served(asked).verdict for asked in (present, present)] == ["MISS", "HIT"]
    queue_and_store(read, settings, invalidator, made(now_ms()))
    assert read.served(past).verdict == "HIT"
    assert read.served(present).verdict == "MISS"
    assert len(read.page(present)[0]) == 4


def test_pages_further_back_by_cursor_are_closed_and_the_newest_is_not(
    read: Reader, settings: StorageSettings, invalidator: CacheInvalidator
) -> None:
    now = now_ms()
    store(settings, [made(now - 90_000 - number) for number in range(5)])
    newest = Filters(limit=2)
    _, cursor = read.page(newest)
    further = Filters(limit=2, cursor=cursor)
    oldest_first = Filters(limit=2, order="asc")
    last_of_all = Filters(limit=5, order="asc")
    for asked in (further, oldest_first, last_of_all):
        read.served(asked)
    queue_and_store(read, settings, invalidator, made(now_ms()))
    asked_again = (newest, further, oldest_first, last_of_all)
    verdicts = [read.served(asked).verdict for asked in asked_again]
    assert verdicts == ["MISS", "HIT", "HIT", "MISS"]


def test_what_still_waits_in_the_queue_holds_pages_back_from_being_closed(
    read: Reader,
    settings: StorageSettings,
    invalidator: CacheInvalidator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = made(now_ms())
    raw = bytes.fromhex(waiting.id.replace("-", ""))
    read.run(read.producer.append(0, now_ms(), [raw, encode_event(waiting)]))
    monkeypatch.setattr(producer, "MAX_AGE_MS", 1)
    wait_until(lambda: now_ms() > int(waiting.id[:8] + waiting.id[9:13], 16) + 20, "some time")
    asked = Filters(end=to_datetime(now_ms() - 2))
    assert [read.served(asked).verdict for _ in range(2)] == ["MISS", "HIT"]
    queue_and_store(read, settings, invalidator, waiting)
    assert read.served(asked).verdict == "MISS"
    assert [event["id"] for event in read.page(asked)[0]] == [waiting.id]


def test_without_the_queue_no_page_is_closed_and_every_page_is_right(
    settings: StorageSettings, invalidator: CacheInvalidator
) -> None:
    away = settings.model_copy(update={"queue_url": "redis://127.0.0.1:1/0"})
    store(settings, [made(now_ms() - 90_000)])
    asked = Filters(end=to_datetime(now_ms() - 60_000))
    with reader(away) as read:
        assert [read.served(asked).verdict for _ in range(2)] == ["MISS", "HIT"]
        queue_and_store(read, settings, invalidator, made(now_ms()))
        assert read.served(asked).verdict == "MISS"
