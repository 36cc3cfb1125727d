"""Whatever windows are asked for, and whatever is stored late: kept days never change a count."""

import random
from datetime import timedelta

import pytest

from storage.cache import tags
from storage.cache.invalidation import CacheInvalidator
from storage.model.event import created_ms, now_ms, to_datetime
from storage.model.filters import Filters
from storage.settings import StorageSettings
from tests.support import cached_pages
from tests.support.cached_pages import SHARD
from tests.support.facets import Watched, after, components, facets, in_table
from tests.support.reading import made, store

invalidator = cached_pages.invalidator
DAY_MS = 86_400_000
DAYS = 40


@pytest.mark.parametrize("seed", range(4))
def test_a_facet_of_any_window_is_what_is_committed(
    settings: StorageSettings, invalidator: CacheInvalidator, seed: int
) -> None:
    chance = random.Random(seed)
    now = now_ms()

    def some_ms() -> int:
        at = now - chance.randrange(DAYS * DAY_MS)
        return at // DAY_MS * DAY_MS if chance.random() < 0.5 else at

    store(settings, [made(some_ms(), chance.choice("abc")) for _ in range(300)])
    with facets(settings) as read:
        for _ in range(60):
            if chance.random() < 0.2:
                event = made(some_ms(), chance.choice("abcd"))
                touched = tags.of_events([event])
                invalidator.begin_write(SHARD, created_ms(event), touched, fence=1)
                store(settings, [event])
                invalidator.end_write(SHARD, created_ms(event), touched, fence=1)
            start, end = sorted(some_ms() for _ in range(2))
            more = timedelta(microseconds=chance.choice([0, 0, 1, 999]))
            asked = Filters(start=to_datetime(start) + more, end=to_datetime(end) + 2 * more)
            if chance.random() < 0.3:
                asked = Filters(start=asked.start)
            counted = Watched(read).ask(now, asked, after(chance.choice([1_000_000, 40])))
            expected = in_table(settings, counted.since, counted.window.end)
            assert components(counted) == expected
