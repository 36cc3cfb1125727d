"""For any messages, a page is the same with and without records of their n-grams."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from storage.events import ngram_builder, ngrams, search
from storage.events.reader import EventStore
from storage.model.event import to_ms
from storage.model.filters import Filters
from storage.postgres.engine import plain_engine, transaction
from testbed.servers import TestServers
from tests.support.reading import made, make_days, store

# Letters whose lower case is another number of characters, or an ASCII letter, in some locale.
ALPHABET = "abIK iS0019%_\\/'\n\"é ÉßẞİıKΣσςǅ漢🦀\u0307\u200d٣"
SPREAD = random.Random(11)
SOUP = [
    "".join(SPREAD.choices(ALPHABET, k=SPREAD.choice([1, 2, 3, 5, 8, 13, 40]))) for _ in range(150)
]
DAYS = 6
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def soup(servers: TestServers) -> Iterator[sa.Engine]:
    with servers.fresh() as settings:
        make_days(settings, [FIRST + n * DAY for n in range(DAYS)])
        store(
            settings,
            [made(to_ms(FIRST + n % DAYS * DAY) + n, message=text) for n, text in enumerate(SOUP)],
        )
        engine = plain_engine(settings.database_url)
        while ngram_builder.record_next(engine):
            pass
        yield engine
        engine.dispose()


def part_of(text: str) -> st.SearchStrategy[str]:
    start = st.integers(0, len(text) - 1)
    return start.flatmap(lambda at: st.integers(1, 12).map(lambda size: text[at : at + size]))


CASES: list[Callable[[str], str]] = [str, str.upper, str.lower, str.swapcase]
PARTS = st.one_of(
    st.sampled_from(SOUP).flatmap(part_of),
    st.tuples(st.sampled_from(SOUP).flatmap(part_of), st.sampled_from(CASES)).map(
        lambda drawn: drawn[1](drawn[0])
    ),
    st.text(ALPHABET, min_size=1, max_size=8),
)


@given(
    st.lists(PARTS, min_size=1, max_size=3),
    st.sampled_from(["asc", "desc"]),
    st.sampled_from([1, 7, 1000]),
)
def test_a_page_with_records_is_the_page_without(
    soup: sa.Engine, parts: list[str], order: Literal["asc", "desc"], limit: int
) -> None:
    events = EventStore(soup)
    asked = Filters(message=tuple(parts), order=order, limit=limit)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WALK", "WALK_FAR"):
            patch.setattr(search, name, 1)
        found = events.page(asked)
        patch.setattr(ngrams, "without", lambda connection, parts: [])
        assert found == events.page(asked)


def test_most_of_what_is_nowhere_is_not_searched_for_anywhere(soup: sa.Engine) -> None:
    for part in ("q", "zq", "#1", "Ö", "ii ii ii ", "%%%%%%"):
        with transaction(soup) as connection:
            found = ngrams.without(connection, [part])
        assert found == [(FIRST, FIRST + DAYS * DAY)], part
