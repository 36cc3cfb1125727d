"""The cache's scripts on a real Valkey: locks, stored pages, validity, expiry."""

import time

import pytest

from storage.cache import page_cache, tags
from storage.cache.invalidation import CacheInvalidator
from storage.cache.page_cache import Miss, Wait
from storage.model.cached_page import CachedPage
from storage.model.event import now_ms
from storage.model.filters import Filters
from storage.redis import keys
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support import cached_pages
from tests.support.cached_pages import (
    NAME,
    OF,
    PAGE,
    SHARD,
    another,
    is_hit,
    keep,
    lead,
    store_batch,
)
from tests.support.reading import Reader, made

read = cached_pages.read
invalidator = cached_pages.invalidator


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
    assert read.control.hlen(keys.GENERATIONS) <= 3 * tags.TAGS + 20
