"""Page bodies in an API process are served only while control says so."""

import asyncio

import pytest

from storage.cache import page_cache
from storage.cache.invalidation import CacheInvalidator
from storage.cache.page_cache import Miss, PageCache
from storage.errors import ControlUnavailable
from storage.model.cached_page import CachedPage
from storage.model.event import now_ms
from storage.redis import keys
from storage.settings import StorageSettings
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
from tests.support.reading import Reader, local_page

read = cached_pages.read
invalidator = cached_pages.invalidator


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
