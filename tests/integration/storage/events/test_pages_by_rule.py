"""Pages for random filters over random events equal what a plain rule picks from all of them."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec import UNSET

from storage.events import search
from storage.events.reader import EventStore
from storage.model.event import Event, created_ms, to_datetime
from storage.model.filters import Filters
from storage.model.occurred_at import occurred_text
from storage.postgres.engine import reading_engine
from testbed.servers import TestServers
from tests.support.matching import page_of
from tests.support.reading import made, store
from tests.support.where_rules import occurred

DAY_MS = 86_400_000
START_MS = 1_772_323_200_000  # 2026-03-01
DAYS = 3
COUNT = 900
PARTS = ["failed", "RETRY", "order 1", "7", "qz", "0% of", "é"]
QUESTIONS = 120


@pytest.fixture(scope="module")
def stored() -> list[Event]:
    """Over three days, several in one millisecond; of everything some frequent and some rare."""
    spread = random.Random(5)
    return [event(spread) for _ in range(COUNT)]


@pytest.fixture(scope="module")
def events(servers: TestServers, stored: list[Event]) -> Iterator[EventStore]:
    with servers.fresh() as settings:
        store(settings, stored)
        found = EventStore(reading_engine(settings.database_url, 1))
        yield found
        found.close()


def event(spread: random.Random) -> Event:
    data = {
        "tier": spread.choice(["gold", "none", "none"]),
        "steps": [{"n": spread.randrange(30)} for _ in range(spread.randrange(3))],
    }
    number = spread.randrange(40)
    earlier = to_datetime(START_MS + spread.randrange(DAYS) * DAY_MS) - timedelta(hours=number)
    return made(
        START_MS + spread.randrange(DAYS) * DAY_MS + spread.choice([0, 1, number, number * 1000]),
        component=spread.choice(["web", "web", "web", "mail", f"job-{number}"]),
        environment=spread.choice(["production", "production", "staging"]),
        message=f"{spread.choice(['Failed', 'retrying', '50% of É'])} order {number}",
        email=spread.choice([None, "Jo@a.b", f"user{number}@A.b"]),
        data=json.dumps(data) if number else "null",
        occurred_at=occurred_text(earlier) if number % 3 else UNSET,
    )


def question(spread: random.Random, stored: list[Event]) -> Filters:
    """Each filter is there now and then, with one value or two."""

    def some(*values: str) -> tuple[str, ...]:
        return tuple(spread.sample(values, spread.choice([0, 0, 0, 1, 1, 2])))

    def instant() -> Any:
        if spread.random() < 0.7:
            return None
        return to_datetime(created_ms(spread.choice(stored))) + timedelta(
            microseconds=spread.choice([-1, 0, 1])
        )

    def occurrence() -> Any:
        return spread.choice([None] * 5 + [occurred(spread.choice(stored))])

    steps = [f'{{"steps":[{{"n":{spread.randrange(32)}}}]}}' for _ in range(2)]
    return Filters(
        component=some("web", "mail", "job-7", "nobody"),
        environment=some("production", "staging"),
        not_component=some("mail", "job-7", "nobody"),
        not_environment=some("staging", "nowhere"),
        email=some("jo@A.B", "user3@a.b", "nobody@a.b"),
        message=some(*PARTS),
        data=tuple(filter(None, (some('{"tier":"gold"}', '{"tier":"none"}'), some(*steps)))),
        start=instant(),
        end=instant(),
        occurred_from=occurrence(),
        occurred_to=occurrence(),
        limit=spread.choice([1, 2, 7, 20, 1000]),
        order=spread.choice(["asc", "desc"]),
        cursor=UUID(spread.choice(stored).id) if spread.random() < 0.4 else None,
    )


@pytest.mark.parametrize(
    ("walk", "walk_far", "near"), [(4_000, 20_000, 100), (20, 100, 2), (2, 2, 1), (2, 3, 50)]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_page_holds_what_matches_in_order_and_says_whether_there_is_more(
    events: EventStore,
    stored: list[Event],
    monkeypatch: pytest.MonkeyPatch,
    walk: int,
    walk_far: int,
    near: int,
    seed: int,
) -> None:
    monkeypatch.setattr(search, "WALK", walk)
    monkeypatch.setattr(search, "WALK_FAR", walk_far)
    monkeypatch.setattr(search, "NEAR", near)
    spread = random.Random(seed)
    pages = 0
    for _ in range(QUESTIONS):
        filters = question(spread, stored)
        expected, more = page_of(stored, filters)
        page = events.page(filters)
        assert [one.id for one in page.events] == [one.id for one in expected]
        assert page.more == more, filters
        pages += bool(page.events)
    assert pages > QUESTIONS / 3, "most questions find something"


LIMITS = ["web", "m*", "job-*", "job-7", "job-1*", "nobody", "%", "job_*"]


@pytest.mark.parametrize("walk", [4_000, 20])
def test_a_page_within_limits_holds_only_what_they_admit(
    events: EventStore, stored: list[Event], monkeypatch: pytest.MonkeyPatch, walk: int
) -> None:
    monkeypatch.setattr(search, "WALK", walk)
    monkeypatch.setattr(search, "WALK_FAR", 5 * walk)
    spread = random.Random(6)
    pages = 0
    for _ in range(QUESTIONS):
        filters = replace(
            question(spread, stored),
            within_component=tuple(spread.sample(LIMITS, spread.choice([0, 1, 2, 3]))),
            within_environment=tuple(
                spread.sample(["prod*", "staging", "s*"], spread.choice([0, 1]))
            ),
        )
        expected, more = page_of(stored, filters)
        page = events.page(filters)
        assert [one.id for one in page.events] == [one.id for one in expected]
        assert page.more == more, filters
        pages += bool(page.events)
    assert pages > QUESTIONS / 6, "many questions find something"
