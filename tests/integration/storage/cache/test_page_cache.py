"""The cache's scripts on a real Valkey: locks, stored pages, validity, expiry."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import pytest
import redis
import redis.asyncio

from api.query.service import window_end
from storage.cache import page_cache, tags
from storage.cache.invalidation import CacheInvalidator
from storage.cache.page_cache import Miss, PageCache, Wait
from storage.errors import ControlUnavailable
from storage.events.page_rows import Page
from storage.model.cached_page import CachedPage
from storage.model.event import Event, encode_event, now_ms, to_datetime
from storage.model.filters import Filters, Order, digest
from storage.queue import producer
from storage.redis import keys
from storage.redis.client import connect, connect_async
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support.reading import Reader, local_page, made, opened, reader, store

PAGE = CachedPage(b'{"events":[],"next_cursor":null}', b'"tag"')
NAME = "d" * 32
OF = ["component:1", "component:2"]
SHARD = 0


@pytest.fixture
def read(settings: StorageSettings) -> Iterator[Reader]:
    with reader(settings) as reading:
        yield reading


@pytest.fixture
def invalidator(settings: StorageSettings) -> Iterator[CacheInvalidator]:
    with connect(settings.control_url) as client:
        yield CacheInvalidator(client)


@contextmanager
def another(
    read: Reader, settings: StorageSettings, ttl_ms: int = 60_000, grace_ms: int = 0
) -> Iterator[PageCache]:
    """Make the cache of another API process."""
    client = connect_async(settings.control_url)
    yield PageCache(client, ttl_ms, grace_ms)
    read.run(client.aclose(close_connection_pool=True))


def lead(read: Reader, cache: PageCache | None = None, watermark_ms: int = 0) -> Miss:
    found = read.run((cache or read.cache).lookup_or_lead(NAME, OF, watermark_ms))
    assert isinstance(found, Miss)
    return found


def keep(read: Reader, under: bytes, page: CachedPage = PAGE) -> None:
    read.run(read.cache.keep(NAME, under, page))


def is_hit(read: Reader, cache: PageCache | None = None) -> bool:
    return read.run((cache or read.cache).lookup(NAME, OF)) == PAGE


def store_batch(invalidator: CacheInvalidator, *touched: str, oldest_ms: int = 0) -> None:
    invalidator.begin_write(SHARD, oldest_ms or now_ms(), touched, fence=1)
    invalidator.end_write(SHARD, oldest_ms or now_ms(), touched, fence=1)


# --- locks -------------------------------------------------------------------------------------


def test_one_process_runs_the_query_and_the_other_gets_its_page(
    read: Reader, settings: StorageSettings
) -> None:
    with another(read, settings) as other:
        miss = lead(read)
        assert isinstance(read.run(other.lookup_or_lead(NAME, OF, 0)), Wait)
        assert isinstance(read.run(other.lookup(NAME, OF)), Miss)  # who only looks never waits
        keep(read, miss.generations)
        assert read.run(other.lookup_or_lead(NAME, OF, 0)) == PAGE


def test_the_lock_of_a_process_that_died_ends_by_itself(
    read: Reader, settings: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_cache, "LOCK_MS", 200)
    lead(read)
    with another(read, settings) as other:
        assert isinstance(read.run(other.lookup_or_lead(NAME, OF, 0)), Wait)
        wait_until(
            lambda: isinstance(read.run(other.lookup_or_lead(NAME, OF, 0)), Miss),
            "the dead leader's lock to end",
            seconds=8,
        )


def test_leaving_lets_the_next_process_lead_and_only_the_leader_can(
    read: Reader, settings: StorageSettings
) -> None:
    with another(read, settings) as other:
        lead(read)
        read.run(other.leave(NAME))
        assert isinstance(read.run(other.lookup_or_lead(NAME, OF, 0)), Wait)
        read.run(read.cache.leave(NAME))
        lead(read, other)


def test_a_lock_a_process_could_not_release_does_not_hold_up_itself(read: Reader) -> None:
    lead(read)
    lead(read)


def test_a_page_of_one_process_keeps_no_lock_of_another(
    read: Reader, settings: StorageSettings
) -> None:
    miss = lead(read)
    with another(read, settings) as other:
        read.control.delete(keys.page_lock(NAME))  # it lasted too long
        lead(read, other)
        keep(read, miss.generations)
        assert read.control.exists(keys.page_lock(NAME))


# --- what fits ---------------------------------------------------------------------------------


def test_a_page_fits_until_one_of_its_tags_changes(
    read: Reader, invalidator: CacheInvalidator
) -> None:
    keep(read, lead(read).generations)
    store_batch(invalidator, "all", "component:3", "email:1")
    assert is_hit(read)
    store_batch(invalidator, "all", "component:2")
    assert not is_hit(read)


def test_no_page_is_served_while_any_shard_is_about_to_commit_into_its_tag(
    read: Reader, invalidator: CacheInvalidator
) -> None:
    invalidator.begin_write(0, now_ms(), ["component:1"], fence=1)
    invalidator.begin_write(1, now_ms(), ["component:1"], fence=1)
    invalidator.begin_write(
        1, now_ms(), ["component:1"], fence=2
    )  # again, after a crash: counts once
    invalidator.end_write(1, now_ms(), ["component:1"], fence=2)
    keep(read, lead(read).generations)
    assert not is_hit(read)
    invalidator.end_write(0, now_ms(), ["component:1"], fence=1)
    assert not is_hit(read)
    keep(read, lead(read).generations)
    assert is_hit(read)


def test_a_page_over_four_mebibytes_is_not_kept(read: Reader) -> None:
    limit = page_cache.MAX_BYTES
    keep(read, lead(read).generations, CachedPage(b"x" * (limit + 1), b'"t"'))
    assert read.control.keys("cache:[pf]*") == []
    keep(read, lead(read).generations, CachedPage(b"x" * limit, b'"t"'))
    assert read.control.exists(keys.page(NAME))


# --- loss of data ------------------------------------------------------------------------------


def test_a_page_read_before_control_lost_its_data_and_kept_after_it_is_never_served(
    read: Reader,
) -> None:
    miss = lead(read)
    read.control.flushall()
    keep(read, miss.generations)
    assert not is_hit(read)
    keep(read, miss.closed)
    assert not is_hit(read)


def test_after_a_loss_no_page_is_served_in_the_grace_and_none_read_in_it_ever(
    read: Reader, settings: StorageSettings, invalidator: CacheInvalidator
) -> None:
    with another(read, settings, grace_ms=300) as careful:
        invalidator.begin_write(SHARD, now_ms(), ["component:1"], fence=1)
        read.control.flushall()  # and with it the pending tags of a commit still to come
        miss = lead(read, careful)
        keep(read, miss.generations)
        assert not is_hit(read, careful)
        epoch_us = int(read.control.hget(keys.GENERATIONS, "epoch") or 0)
        wait_until(lambda: time.time_ns() // 1000 > epoch_us + 300_000, "the grace to end")
        assert not is_hit(read, careful)
        keep(read, miss.closed)
        assert not is_hit(read, careful)
        keep(read, lead(read, careful).generations)
        assert is_hit(read, careful)


# --- local page bodies ---------------------------------------------------------------------


def local_body(read: Reader, cache: PageCache | None = None) -> CachedPage | None:
    return read.run(local_page(cache or read.cache, NAME, OF))


def test_a_local_page_is_served_only_while_control_says_so(
    read: Reader, invalidator: CacheInvalidator
) -> None:
    assert local_body(read) is None
    keep(read, lead(read).generations)
    assert local_body(read) == PAGE
    invalidator.begin_write(SHARD, now_ms(), ["component:2"], fence=1)
    assert local_body(read) is None
    invalidator.end_write(SHARD, now_ms(), ["component:2"], fence=1)
    assert local_body(read) is None
    keep(read, lead(read).generations)
    assert local_body(read) == PAGE
    read.control.delete(keys.page(NAME))
    assert local_body(read) is None


def test_a_local_page_that_another_process_has_replaced_is_not_served(
    read: Reader, settings: StorageSettings
) -> None:
    newer = CachedPage(b"{}", b'"newer"')
    miss = lead(read)
    keep(read, miss.generations)
    with another(read, settings) as other:
        read.run(other.keep(NAME, miss.generations, newer))
        assert local_body(read) is None
        assert local_body(read, other) == newer
    assert read.run(read.cache.lookup(NAME, OF)) == newer
    assert local_body(read) == newer


def test_a_local_page_is_not_served_in_the_grace_after_a_loss(
    read: Reader, settings: StorageSettings
) -> None:
    with another(read, settings, grace_ms=60_000) as careful:
        read.run(careful.keep(NAME, lead(read).generations, PAGE))
        assert local_body(read, careful) is None
    with another(read, settings) as bold:
        assert read.run(bold.lookup(NAME, OF)) == PAGE
        assert local_body(read, bold) == PAGE
        read.control.flushall()
        assert local_body(read, bold) is None


def test_a_closed_page_is_local_until_its_window_is_breached(
    read: Reader, invalidator: CacheInvalidator
) -> None:
    keep(read, lead(read, watermark_ms=now_ms() - 60_000).closed)
    store_batch(invalidator, *OF)
    assert local_body(read) == PAGE
    invalidator.begin_write(SHARD, now_ms() - 90_000, ["component:3"], fence=2)
    assert local_body(read) is None
    invalidator.end_write(SHARD, now_ms() - 90_000, ["component:3"], fence=2)
    assert local_body(read) is None


def test_many_pages_are_asked_about_at_once_each_by_its_own_tags(
    read: Reader, invalidator: CacheInvalidator
) -> None:
    names = {f"{n:032}": [f"component:{n}", f"component:{n + 1}"] for n in range(20)}
    for name, its_tags in names.items():
        miss = read.run(read.cache.lookup(name, its_tags))
        assert isinstance(miss, Miss)
        read.run(read.cache.keep(name, miss.generations, CachedPage(name.encode(), b'"t"')))
    store_batch(invalidator, "component:7")

    async def all_of_them() -> list[CachedPage | None]:
        return await asyncio.gather(*(local_page(read.cache, *asked) for asked in names.items()))

    before = read.control.info("commandstats")["cmdstat_evalsha"]["calls"]
    found = read.run(all_of_them())
    assert read.control.info("commandstats")["cmdstat_evalsha"]["calls"] <= before + 2
    for number, (name, page) in enumerate(zip(names, found, strict=True)):
        assert (page and page.body) == (None if number in (6, 7) else name.encode())


def test_while_control_is_away_nothing_is_held(
    read: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(read, lead(read).generations)
    monkeypatch.setattr(page_cache, "ANSWER_SECONDS", 0.05)
    read.control.client_pause(300)
    with pytest.raises(ControlUnavailable):
        local_body(read)
    assert local_body(read) is None  # without waiting again
    monkeypatch.undo()
    assert is_hit(read)
    assert local_body(read) == PAGE


# --- closed pages ------------------------------------------------------------------------------


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


# --- bounds ------------------------------------------------------------------------------------


def test_pages_and_locks_have_a_time_to_live(read: Reader) -> None:
    miss = lead(read)
    assert 0 < read.control.pttl(keys.page_lock(NAME)) <= page_cache.LOCK_MS
    keep(read, miss.generations)
    assert 0 < read.control.pttl(keys.page(NAME)) <= 60_000


def test_whatever_values_come_nothing_without_a_time_to_live_grows_without_bound(
    read: Reader, invalidator: CacheInvalidator
) -> None:
    for part in range(20):
        events = [
            made(now_ms(), f"c{part}-{n}", f"e{part}-{n}", email=f"{part}-{n}@a.b")
            for n in range(500)
        ]
        invalidator.begin_write(part % 4, now_ms(), tags.of_events(events), fence=1)
        read.run(read.cache.lookup(f"{part}", tags.of_page(Filters(component=("c",)))))
        invalidator.end_write(part % 4, now_ms(), tags.of_events(events), fence=1)
    assert read.control.keys("*") == [keys.GENERATIONS.encode()]
    assert read.control.hlen(keys.GENERATIONS) <= 3 * tags.TAGS + 10


# --- control away, control full ----------------------------------------------------------------


def test_without_control_history_says_bypass_and_is_right(settings: StorageSettings) -> None:
    event = made(now_ms())
    store(settings, [event])
    away = settings.model_copy(update={"control_url": "redis://127.0.0.1:1/0"})
    with reader(away) as read:
        for _ in range(2):
            assert read.served(Filters()).verdict == "BYPASS"
        assert [found["id"] for found in read.page(Filters())[0]] == [event.id]


@pytest.mark.parametrize(("silent", "verdict"), [("control_url", "BYPASS"), ("queue_url", "MISS")])
def test_a_server_that_hangs_does_not_hold_up_what_postgresql_can_answer(
    settings: StorageSettings, silent: str, verdict: str
) -> None:
    event = made(now_ms() - 90_000)
    store(settings, [event])
    with socket.create_server(("127.0.0.1", 0)) as listener:  # lets connect, and never answers
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        with reader(settings.model_copy(update={silent: url})) as read:
            start = time.monotonic()
            served = read.served(Filters(end=to_datetime(now_ms() - 60_000)))
            assert time.monotonic() - start < 20
    assert served.verdict == verdict
    assert opened(served)[0][0]["id"] == event.id


def test_after_answers_that_came_too_late_each_asker_still_gets_its_own_page(
    read: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {f"{n:032}": CachedPage(b"%d" % n, b'"t"') for n in range(20)}
    for name, page in pages.items():
        miss = read.run(read.cache.lookup(name, OF))
        assert isinstance(miss, Miss)
        read.run(read.cache.keep(name, miss.generations, page))

    async def ask_all() -> list[object]:
        lookups = (read.cache.lookup(name, OF) for name in pages)
        return await asyncio.gather(*lookups, return_exceptions=True)

    monkeypatch.setattr(page_cache, "ANSWER_SECONDS", 0.05)
    read.control.client_pause(60_000, all=False)  # scripts wait; what ends the pause does not
    assert all(isinstance(late, ControlUnavailable) for late in read.run(ask_all()))
    read.control.client_unpause()
    monkeypatch.setattr(page_cache, "ANSWER_SECONDS", 60)
    for _ in range(3):
        assert read.run(ask_all()) == list(pages.values())


@pytest.mark.parametrize("policy", ["volatile-lru", "noeviction"])
def test_with_control_full_history_is_right_and_does_not_wait_for_a_lock(
    read: Reader, settings: StorageSettings, policy: str
) -> None:
    event = made(now_ms())
    store(settings, [event])
    read.served(Filters(limit=7))  # the scripts are known, the connections open
    before = read.control.config_get("maxmemory*")
    try:
        read.control.config_set("maxmemory-policy", policy)
        read.control.delete(keys.page(digest(Filters(limit=7))))
        read.control.config_set("maxmemory", 1024)
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            read.control.set("more", "x")
        for _ in range(3):
            assert read.served(Filters()).verdict == "MISS"
            assert read.control.keys("cache:lock:*") == []
        assert [found["id"] for found in read.page(Filters())[0]] == [event.id]
    finally:
        for name in ("maxmemory", "maxmemory-policy"):
            read.control.config_set(name, before[name] or "")
    assert [read.served(Filters()).verdict for _ in range(2)] == ["MISS", "HIT"]
