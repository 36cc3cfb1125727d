"""A renewed cache serves nothing of before: no page, no closed page, no local page, no day."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from storage.cache import tags
from storage.cache.day_cache import DayCache
from storage.cache.invalidation import CacheInvalidator
from storage.cache.page_cache import Miss
from storage.cache.renewal import CacheRenewal
from storage.errors import ControlUnavailable
from storage.model.cached_page import CachedPage
from storage.model.event import now_ms
from storage.redis import keys
from storage.redis.client import connect
from storage.settings import StorageSettings
from tests.support import cached_pages
from tests.support.cached_pages import NAME, OF, PAGE, another, is_hit, keep, lead
from tests.support.reading import Reader, local_page

read = cached_pages.read
invalidator = cached_pages.invalidator

A_DAY_MS = 86_400_000


@pytest.fixture
def renewal(settings: StorageSettings) -> Iterator[CacheRenewal]:
    with closing(connect(settings.control_url)) as client:
        yield CacheRenewal(client, "a test")


def is_local(read: Reader) -> bool:
    return read.run(local_page(read.cache, NAME, OF)) == PAGE


def test_from_its_begin_on_nothing_of_before_is_served(read: Reader, renewal: CacheRenewal) -> None:
    keep(read, lead(read).generations)
    assert is_hit(read)
    assert is_local(read)
    renewal.begin()
    assert renewal.has_begun()
    assert not is_hit(read)
    assert not is_local(read)
    renewal.end()
    assert not renewal.has_begun()
    assert not is_hit(read)
    assert not is_local(read)
    keep(read, lead(read).generations)
    assert is_hit(read)
    assert is_local(read)


def test_the_page_of_another_process_is_not_served_either(
    read: Reader, settings: StorageSettings, renewal: CacheRenewal
) -> None:
    keep(read, lead(read).generations)
    with another(read, settings) as other:
        assert is_hit(read, other)
        renewal.begin()
        renewal.end()
        assert read.run(local_page(other, NAME, OF)) is None
        assert not is_hit(read, other)


def test_a_page_that_is_read_between_begin_and_end_is_never_served(
    read: Reader, renewal: CacheRenewal
) -> None:
    renewal.begin()
    keep(read, lead(read).generations)
    assert not is_hit(read)
    renewal.end()
    assert not is_hit(read)


def test_a_page_whose_query_began_before_is_never_served(
    read: Reader, renewal: CacheRenewal
) -> None:
    began_before = lead(read).generations
    renewal.begin()
    renewal.end()
    keep(read, began_before)
    assert not is_hit(read)


def test_a_closed_page_is_not_served_any_more(read: Reader, renewal: CacheRenewal) -> None:
    keep(read, lead(read, watermark_ms=now_ms() - 60_000).closed)
    assert is_hit(read)
    renewal.begin()
    assert not is_hit(read)
    assert not is_local(read)
    assert lead(read, watermark_ms=now_ms()).watermark_ms == 0  # nothing is closed meanwhile
    renewal.end()
    assert not is_hit(read)
    assert not is_local(read)


def test_a_closed_day_is_not_used_any_more(
    settings: StorageSettings, renewal: CacheRenewal
) -> None:
    yesterday = now_ms() // A_DAY_MS - 1
    with closing(DayCache(settings.control_url, 60, 0)) as cache:
        days = cache.open("digest", now_ms())
        days.keep(yesterday, b"counts")
        days.flush()
        assert days.kept([yesterday])
        renewal.begin()
        assert days.kept([yesterday]) == {}
        days.keep(yesterday, b"counted before, kept later")
        days.flush()
        renewal.end()
        assert cache.open("digest", now_ms()).kept([yesterday]) == {}


@pytest.mark.parametrize("tag", ["all", "component:0", "environment:1023", "email:512"])
def test_a_page_of_any_tag_is_unusable(read: Reader, renewal: CacheRenewal, tag: str) -> None:
    def found() -> CachedPage | Miss:
        return read.run(read.cache.lookup(NAME, [tag]))

    miss = found()
    assert isinstance(miss, Miss)
    keep(read, miss.generations)
    assert found() == PAGE
    renewal.begin()
    assert found() != PAGE
    renewal.end()
    assert found() != PAGE


def test_an_end_alone_renews_the_cache(read: Reader, renewal: CacheRenewal) -> None:
    keep(read, lead(read).generations)
    renewal.end()
    assert not is_hit(read)
    assert not is_local(read)


def test_while_control_is_away_nothing_begins(settings: StorageSettings) -> None:
    away = CacheRenewal(connect("redis://127.0.0.1:1/0"), "a test")
    for call in (away.begin, away.end, away.has_begun):
        with pytest.raises(ControlUnavailable):
            call()


def test_after_a_kill_nothing_is_served_until_another_process_ends_it(
    read: Reader, settings: StorageSettings, renewal: CacheRenewal
) -> None:
    keep(read, lead(read).generations)
    renewal.begin()  # and then it was killed, before or after its commit
    assert not is_hit(read)
    with closing(connect(settings.control_url)) as client:
        later = CacheRenewal(client, "a test")
        assert later.has_begun()
        later.end()
    assert not is_hit(read)
    keep(read, lead(read).generations)
    assert is_hit(read)


def test_it_works_on_a_control_that_has_lost_its_data(read: Reader, renewal: CacheRenewal) -> None:
    renewal.begin()
    read.control.flushall()
    assert not renewal.has_begun()
    keep(read, lead(read).generations)
    assert is_hit(read)  # of after the loss, before the commit
    renewal.end()
    assert not is_hit(read)


def test_drains_go_on_beside_it(
    read: Reader, renewal: CacheRenewal, invalidator: CacheInvalidator
) -> None:
    renewal.begin()
    invalidator.begin_write(0, now_ms(), OF, fence=1)
    renewal.end()
    keep(read, lead(read).generations)
    assert not is_hit(read)  # the drain is pending
    invalidator.end_write(0, now_ms(), OF, fence=1)
    keep(read, lead(read).generations)
    assert is_hit(read)


def test_every_tag_of_the_cache_has_its_generation_raised(
    read: Reader, renewal: CacheRenewal
) -> None:
    renewal.end()
    generations = read.control.hgetall(keys.GENERATIONS)
    assert {name.encode() for name in tags.every()} <= generations.keys()
