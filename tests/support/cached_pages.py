"""One page in the cache, its tags, and a second API process."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from storage.cache.invalidation import CacheInvalidator
from storage.cache.page_cache import Miss, PageCache
from storage.model.cached_page import CachedPage
from storage.model.event import now_ms
from storage.redis.client import connect, connect_async
from storage.settings import StorageSettings
from tests.support.reading import Reader, reader

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
