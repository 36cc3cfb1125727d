"""Facets of stored events, compared with counting them in Python."""

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.model.event import Event, to_ms
from storage.model.filters import Filters
from storage.settings import StorageSettings
from storage.statistics import facet_slices, value_counts
from storage.statistics.coverage import Span
from storage.statistics.facet_question import FacetQuestion
from storage.statistics.facets import CountedFacets
from storage.statistics.question import Group
from testbed.servers import TestServers
from tests.support.facets import facets, never, watch
from tests.support.matching import matches
from tests.support.reading import store
from tests.support.statistics import created, event_at, value_of

START = datetime(2026, 3, 27, 22, 30, 12, 345_000, tzinfo=UTC)
FIELDS: tuple[Group, ...] = ("component", "environment", "email", ("tier",), ("user", "age"))
DAY = timedelta(days=1)
HALF = (START - DAY, START + DAY)
ALL_TIME = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def made_events(count: int = 1_500) -> list[Event]:
    """Make events over four days, of different fields."""
    chosen = random.Random(7)
    tiers: list[Any] = ["gold", None, 5, "5", 1.50, [1, "a"], {"x": None}, True, "x" * 300]

    def data() -> Any:
        tier, age = chosen.choice(tiers), chosen.randint(1, 90)
        return chosen.choice([None, [], {}, {"tier": tier, "user": {"age": age}}])

    return [
        event_at(
            START + timedelta(seconds=chosen.random() * 4 * 86_400),
            component=chosen.choice(["orders", "billing", "auth"]),
            environment=chosen.choice(["production", "staging"]),
            message=chosen.choice(["card declined", "ok", "failed"]),
            email=chosen.choice([None, "Jo@example.com", "jo@EXAMPLE.com", "a@b.c"]),
            data=data(),
        )
        for _ in range(count)
    ]


def key_of(event: Event, field: Group) -> str | None:
    """Return the text of the value as it is counted."""
    if isinstance(field, str):
        return value_of(event, field)
    found = json.loads(bytes(event.data))
    for key in field:
        found = found.get(key) if isinstance(found, dict) else None
    return found if found is None or isinstance(found, str) else json.dumps(found)


def expected(events: Sequence[Event], field: Group, most: int = 10) -> tuple[Any, ...]:
    """Return values, other, missing and distinct of these events."""
    found = [key_of(event, field) for event in events]
    counts = Counter(value for value in found if value is not None)
    named = [(value, count) for value, count in counts.items() if len(value) <= 255]
    top = sorted(named, key=lambda each: (-each[1], each[0]))[:most]
    other = counts.total() - sum(count for _, count in top)
    return top, other, found.count(None), len(counts)


EVENTS = made_events()


@pytest.fixture(scope="module")
def stored(servers: TestServers) -> Iterator[StorageSettings]:
    with servers.fresh() as settings:
        store(settings, EVENTS)
        yield settings


def agrees(counted: CountedFacets, question: FacetQuestion, events: Sequence[Event]) -> None:
    """Check the facets against these events of any time."""
    within = [
        event
        for event in events
        if counted.since <= created(event) < counted.window.end
        and matches(event, replace(question.filters, start=None, end=None))
    ]
    for field, facet in zip(question.fields, counted.facets, strict=True):
        values, other, missing, distinct = expected(within, field, question.values)
        assert (facet.values, facet.other, facet.missing) == (values, other, missing), field
        assert facet.distinct == (distinct if counted.is_complete else None)
        listed = sum(count for _, count in facet.values)
        assert listed + facet.other + facet.missing == len(within)


FILTERS = [
    Filters(),
    Filters(message=("card",)),
    Filters(component=("orders",), environment=("staging",)),
    Filters(not_component=("orders",), email=("jo@example.com",)),
    Filters(start=START + timedelta(hours=30, microseconds=1), end=START + timedelta(hours=61)),
    Filters(start=START - timedelta(days=900), end=START + timedelta(days=900)),
    Filters(start=START + timedelta(days=800), end=START + timedelta(days=900)),
    Filters(end=START - timedelta(days=800)),
    Filters(data=(('{"tier":"gold"}',),)),
    Filters(message=("nothing has this",)),
]


@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("watermark", [None, START + timedelta(days=2), START + 200 * DAY], ids=str)
def test_facets_are_what_counting_gives_also_of_closed_days(
    stored: StorageSettings, filters: Filters, watermark: datetime | None
) -> None:
    question = FacetQuestion(filters, FIELDS, values=4)
    with facets(stored) as read:
        for _ in range(2):
            counted = read.count(question, to_ms(watermark) if watermark else 0, never)
            assert counted.is_complete
            agrees(counted, question, EVENTS)


NAMES = [
    Filters(),
    Filters(component=("orders",), not_environment=("staging",)),
    Filters(within_component=("o*", "auth")),
    Filters(start=START + timedelta(hours=30, microseconds=1), end=START + timedelta(hours=61)),
    Filters(start=START + timedelta(seconds=1), end=START + timedelta(seconds=1_900)),
    Filters(start=START + timedelta(hours=2), end=START + timedelta(hours=2, seconds=20)),
    Filters(start=START + timedelta(days=800)),
]


@pytest.mark.parametrize("filters", NAMES, ids=str)
@pytest.mark.parametrize("exact", [[ALL_TIME], [HALF], []], ids=len)
@pytest.mark.parametrize("fields", [("component", "environment"), ("environment",)], ids=len)
def test_components_and_environments_come_from_the_counts_by_hour(
    stored: StorageSettings, filters: Filters, exact: list[Span], fields: tuple[Group, ...]
) -> None:
    question = FacetQuestion(filters, fields)
    assert question.is_of_hours
    with facets(stored, exact) as read:
        counted = read.count(question, 0, never)
    assert counted.is_complete
    agrees(counted, question, EVENTS)


def test_by_hours_the_table_is_not_read(
    stored: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    minute = START.replace(second=0, microsecond=0)
    whole_minutes = Filters(start=minute, end=minute + 200 * DAY)
    with facets(stored, [ALL_TIME]) as read:
        watched = watch(monkeypatch, read)
        read.count(FacetQuestion(whole_minutes, ("component", "environment")), 0, never)
    assert watched.spans == []


def test_too_many_different_values_end_the_count_where_memory_ends(
    stored: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(value_counts, "MAX_VALUES", 40)
    monkeypatch.setattr(facet_slices, "MAX_ROWS", 40)
    question = FacetQuestion(Filters(), (("user", "age"),))
    with facets(stored) as read:
        counted = read.count(question, to_ms(START + 200 * DAY), never)
    assert START < counted.since < counted.window.end
    agrees(counted, question, EVENTS)
