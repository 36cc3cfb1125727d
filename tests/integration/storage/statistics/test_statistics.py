"""Counts from the table and from the counts by hour, against a plain count of the same events."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from storage.cache.day_cache import DayCache
from storage.model.event import Event
from storage.model.filters import Filters
from storage.model.where import Name, Not, Or
from storage.postgres.read_router import ReadRouter
from storage.settings import StorageSettings
from storage.statistics.bars import INTERVALS, Interval
from storage.statistics.coverage import Span
from storage.statistics.question import Question
from storage.statistics.reader import Counted, Place, Scale, Statistics
from testbed.servers import TestServers
from tests.support.matching import matches
from tests.support.reading import store
from tests.support.statistics import bar_of, counted, created, event_at, unhurried_engine, value_of

CHANGE = datetime(2026, 10, 25, 1, tzinfo=UTC)  # of the clock in Berlin
ALL_TIME = [(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))]
HALF = [(CHANGE - timedelta(hours=30), CHANGE)]
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe")


def _made() -> list[Event]:
    chance = random.Random(7)
    return [
        event_at(
            CHANGE + timedelta(milliseconds=chance.randrange(-3 * 86_400_000, 2 * 86_400_000)),
            component=chance.choice(("api", "api-gateway", "pay")),
            environment=chance.choice(("dev", "live")),
            email=chance.choice((None, "A@x.org", "a@X.org", "b@x.org")),
            message=chance.choice(("was paid", "failed")),
            data=chance.choice((None, {"n": 5}, {"n": "5"}, {"n": None}, {"k": {"t": "gold"}})),
        )
        for _ in range(6_000)
    ]


EVENTS = _made()


@pytest.fixture(scope="module")
def stored(servers: TestServers) -> Iterator[StorageSettings]:
    with servers.fresh() as settings:
        store(settings, EVENTS)
        yield settings


@contextmanager
def statistics(
    settings: StorageSettings, exact: list[Span], seconds: float = 30
) -> Iterator[Statistics]:
    engine = unhurried_engine(settings)
    days = DayCache(settings.control_url, 3_600, 0)
    try:
        yield Statistics(ReadRouter(engine), lambda _: exact, days, seconds)
    finally:
        days.close()
        engine.dispose()


def whole(
    found: Statistics, question: Question, interval: Interval, zone: str = "UTC"
) -> list[Counted]:
    """Return every answer, following `next`."""
    answers: list[Counted] = []
    place: Place | None = None
    while not answers or place is not None:
        one = found.count(question, Scale(interval, ZoneInfo(zone)), place, 0, lambda: False)
        answers.append(one)
        place = one.next
    return answers


def by_bar(answers: list[Counted], interval: str, zone: str) -> Counter[Any]:
    """Return the counts of all answers, each by what a clock and a calendar show at its bar."""
    found: Counter[Any] = Counter()
    for one in answers:
        for bar, start in enumerate(one.starts):
            if count := one.tally.count(bar):
                found[bar_of(start, interval, ZoneInfo(zone))] += count
    return found


def expected(filters: Filters, interval: str, zone: str) -> Counter[Any]:
    return counted([one for one in EVENTS if matches(one, filters)], interval, ZoneInfo(zone))


@pytest.mark.parametrize("exact", [[], ALL_TIME, HALF], ids=("table", "hours", "both"))
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("interval", INTERVALS)
def test_bars_are_those_of_a_plain_count(
    stored: StorageSettings, interval: Interval, zone: str, exact: list[Span]
) -> None:
    length = timedelta(hours=20) if interval == "minute" else timedelta(days=4)
    start = CHANGE - length / 2 + timedelta(seconds=17, milliseconds=3, microseconds=5)
    filters = Filters(start=start, end=start + length, within_component=("api*",))
    with statistics(stored, exact) as found:
        (answer,) = whole(found, Question(filters), interval, zone)

    assert by_bar([answer], interval, zone) == expected(filters, interval, zone)
    assert answer.tally.total == sum(expected(filters, interval, zone).values()) > 0


@pytest.mark.parametrize("exact", [[], ALL_TIME, HALF], ids=("table", "hours", "both"))
def test_an_open_window_holds_every_event(stored: StorageSettings, exact: list[Span]) -> None:
    with statistics(stored, exact) as found:
        (answer,) = whole(found, Question(Filters()), "hour")

    assert answer.tally.total == len(EVENTS)
    assert answer.window.start <= min(map(created, EVENTS))


@pytest.mark.parametrize(
    ("filters", "group"),
    [
        (Filters(), "component"),
        (Filters(not_component=("pay",)), "environment"),
        (
            Filters(where=Or((Name("component", "pay"), Not(Name("environment", "d", True))))),
            "component",
        ),
        (Filters(message=("paid",)), "email"),
        (Filters(email=("a@x.org",)), ("n",)),
        (Filters(), ("k", "t")),
    ],
)
@pytest.mark.parametrize("exact", [[], HALF], ids=("table", "both"))
def test_groups_add_up_to_their_bar(
    stored: StorageSettings, filters: Filters, group: Any, exact: list[Span]
) -> None:
    with statistics(stored, exact) as found:
        (answer,) = whole(found, Question(filters, group), "day")

    plain: Counter[Any] = Counter()
    for one in EVENTS:
        if matches(one, filters):
            plain[bar_of(created(one), "day", UTC), value_of(one, group)] += 1
    counts: Counter[Any] = Counter()
    for bar, start in enumerate(answer.starts):
        groups = answer.tally.groups(bar)
        key = bar_of(start, "day", UTC)
        counts.update({(key, value): count for value, count in groups.values})
        counts[key, None] += groups.missing
        assert groups.other == 0
        assert sum(n for _, n in groups.values) + groups.missing == answer.tally.count(bar)
    assert counts == plain


def test_with_hardly_any_budget_the_answers_add_up_to_the_whole(stored: StorageSettings) -> None:
    filters = Filters(message=("paid",))
    with statistics(stored, [], 0.001) as found:
        answers = whole(found, Question(filters, "email"), "hour", "Europe/Berlin")

    assert len(answers) > 1
    assert by_bar(answers, "hour", "Europe/Berlin") == expected(filters, "hour", "Europe/Berlin")
    spans = [(one.since, one.until) for one in answers]
    assert [until for _, until in spans[1:]] == [since for since, _ in spans[:-1]]
