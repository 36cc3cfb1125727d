"""1,000 random mixes of `q` and parameters find what a plain rule picks from all events."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from random import Random

import pytest
import sqlalchemy as sa

from api.query import clock
from api.query.question import PageQuestion, parse
from storage.events import search
from storage.events.reader import EventStore
from storage.model.event import Event, to_ms
from storage.postgres.engine import reading_engine
from testbed.servers import TestServers
from tests.support.mixes import Mix, event
from tests.support.reading import store
from tests.support.where_rules import Lower, says

NOW = datetime(2026, 3, 3, 12, 30, 41, 500_000, tzinfo=UTC)
COUNT = 400
MIXES = 250  # for each of four seeds


@pytest.fixture(scope="module")
def stored() -> list[Event]:
    spread = Random(12)
    return [event(spread, to_ms(NOW)) for _ in range(COUNT)]


@pytest.fixture(scope="module")
def engine(servers: TestServers, stored: list[Event]) -> Iterator[sa.Engine]:
    with servers.fresh() as settings:
        store(settings, stored)
        found = reading_engine(settings.database_url, 1)
        yield found
        found.dispose()


@pytest.fixture(scope="module")
def lower(engine: sa.Engine) -> Lower:
    """Lower as ILIKE does, under the collation of the database."""

    @lru_cache(None)
    def lowered(text: str) -> str:
        with engine.connect() as connection:
            return str(connection.scalar(sa.select(sa.func.lower(text))))

    return lowered


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_mix_of_q_and_parameters_finds_what_a_rule_picks(
    engine: sa.Engine,
    stored: list[Event],
    lower: Lower,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    monkeypatch.setattr(clock, "time", NOW.timestamp)
    monkeypatch.setattr(search, "WALK", 20 if seed % 2 else 4_000)
    monkeypatch.setattr(search, "WALK_FAR", 100 if seed % 2 else 20_000)
    events, spread = EventStore(engine), Random(seed)
    some = 0
    for _ in range(MIXES):
        mix = Mix(spread, NOW, stored)
        order, limit = spread.choice(["asc", "desc"]), spread.choice([3, 1000, 1000])
        question = parse(mix.query_string + f"&order={order}&limit={limit}".encode()).asked
        assert isinstance(question, PageQuestion)
        expected = [one.id for one in stored if says(mix.meant, one, lower)]
        expected.sort(reverse=order == "desc")
        page = events.page(question.filters)
        assert [one.id for one in page.events] == expected[:limit], (mix.pairs, mix.meant)
        assert page.more == (len(expected) > limit), mix.pairs
        some += 0 < len(expected) < COUNT
    assert some > MIXES / 3, "many questions find some of the events and not all"
