"""Statistics with closed days kept by quarter hours: the same as counts of the table, always."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from storage.cache.day_cache import DayCache
from storage.model.event import Event, now_ms, to_datetime
from storage.model.filters import Filters
from storage.model.name_limits import NameLimits
from storage.postgres.read_router import ReadRouter
from storage.settings import StorageSettings
from storage.statistics import table_counts
from storage.statistics.bars import INTERVALS, MAX_BARS, Interval
from storage.statistics.coverage import Span
from storage.statistics.question import Group, Question
from storage.statistics.reader import Counted, Place, Scale, Statistics
from storage.statistics.table_counts import TableSlices
from tests.integration.storage.statistics.test_closed_days import (
    DAY,
    DAY_MS,
    drain,
    kept_days,
    kept_keys,
    midnight_ms,
    post,
    store_days,
    watermark,
)
from tests.support import watched_drain
from tests.support.facets import after, never
from tests.support.reading import made, store
from tests.support.statistics import bar_of, created, unhurried_engine, value_of
from tests.support.watched_drain import STEPS, Killed, World

world = watched_drain.world

ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Monrovia")
_OF_QUARTERS: tuple[Interval, ...] = ("hour", "day", "week")
ALL = Filters(message=("order",))  # which the counts by hour can't tell
Rows = Counter[tuple[Any, str | None]]


@contextmanager
def statistics(settings: StorageSettings, seconds: float = 30) -> Iterator[Statistics]:
    engine = unhurried_engine(settings)
    days = DayCache(settings.control_url, 3_600, 0)
    try:
        yield Statistics(ReadRouter(engine), lambda _: (), days, seconds)
    finally:
        days.close()
        engine.dispose()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[Span]:
    """Return where it is noted which spans are read in the table."""
    found: list[Span] = []
    original = TableSlices.read

    def noting(self: TableSlices, connection: Any, start: datetime, end: datetime) -> Any:
        found.append((start, end))
        return original(self, connection, start, end)

    monkeypatch.setattr(TableSlices, "read", noting)
    return found


def bodies(world: World) -> list[Any]:
    """Return all that is kept."""
    return [world.reader.control.hget(key, "body") for key in sorted(kept_keys(world))]


def of_ms(instant: datetime) -> int:
    """Return the milliseconds since the epoch."""
    return int(instant.timestamp() * 1000)


def ask(
    read: Statistics,
    filters: Filters = ALL,
    group: Group | None = None,
    interval: Interval = "day",
    zone: str = "UTC",
    place: Place | None = None,
    watermark_ms: int | None = None,
    is_unwanted: Callable[[], bool] = never,
    limits: NameLimits | None = None,
) -> Counted:
    known = now_ms() if watermark_ms is None else watermark_ms
    question = Question(filters, group, limits)
    return read.count(question, Scale(interval, ZoneInfo(zone)), place, known, is_unwanted)


def rows(counted: Counted, is_grouped: bool, zone: str = "UTC") -> Rows:
    """Return the counts of an answer, by what clock and calendar show; they must add up."""
    found: Rows = Counter()
    for bar, start in enumerate(counted.starts):
        shown = bar_of(start, counted.interval, ZoneInfo(zone))
        if not is_grouped:
            found[shown, None] += counted.tally.count(bar)
            continue
        groups = counted.tally.groups(bar)
        parts = [*groups.values, (None, groups.missing), ("(other)", groups.other)]
        found.update(Counter({(shown, value): number for value, number in parts}))
        assert sum(number for _, number in parts) == counted.tally.count(bar)
    return +found


def plain(events: list[Event], counted: Counted, group: Group | None, zone: str = "UTC") -> Rows:
    """Return the same of these events."""
    return Counter(
        (bar_of(created(one), counted.interval, ZoneInfo(zone)), _value(one, group))
        for one in events
        if counted.since <= created(one) < counted.until
    )


def _value(event: Event, group: Group | None) -> str | None:
    value = value_of(event, group) if group else None
    return "(other)" if value is not None and len(value) > 255 else value


def test_a_repeat_reads_nothing_but_today_in_bars_of_any_zone(
    world: World, spans: list[Span]
) -> None:
    store_days(world)
    today = to_datetime(midnight_ms())
    with statistics(world.settings) as read:
        first = ask(read, group="component", watermark_ms=watermark(world))
        assert len(spans) > 1
        for zone in ("UTC", "Asia/Kathmandu"):
            for interval in _OF_QUARTERS:
                spans.clear()
                again = ask(read, ALL, "component", interval, zone, None, watermark(world))
                assert [start for start, _ in spans] == [today]
                assert again.tally.total == first.tally.total == 35


def test_bars_that_do_not_end_on_quarters_neither_keep_nor_use_days(world: World) -> None:
    """Of minutes, and where a zone was at an offset with seconds."""
    store_days(world)
    old = datetime(1971, 3, 1, tzinfo=UTC)
    of_monrovia = Filters(message=ALL.message, start=old, end=old + 3 * DAY)
    store(world.settings, [made(day * DAY_MS + of_ms(old)) for day in range(3)])
    of_minutes = Filters(message=ALL.message, start=to_datetime(now_ms() - int(1.3 * DAY_MS)))
    with statistics(world.settings) as read:
        assert ask(read, of_minutes, interval="minute").tally.total >= 7
        assert ask(read, of_monrovia, zone="Africa/Monrovia").tally.total == 3
        assert kept_keys(world) == []
        assert ask(read, of_monrovia).tally.total == 3
        assert len(kept_keys(world)) == 3


def test_a_window_that_begins_within_a_kept_day_reads_less_than_a_quarter_of_an_hour(
    world: World, spans: list[Span]
) -> None:
    store_days(world)
    with statistics(world.settings) as read:
        ask(read)
        start = to_datetime(midnight_ms() - 3 * DAY_MS) + timedelta(hours=5, minutes=7)
        kept = bodies(world)
        spans.clear()
        ask(read, Filters(message=ALL.message, start=start))
        assert [one for one in spans if one[1] <= to_datetime(midnight_ms())] == [
            (start, start + timedelta(minutes=8))
        ]
        assert bodies(world) == kept


def test_groups_and_limits_of_a_client_have_days_of_their_own(world: World) -> None:
    store_days(world)
    with statistics(world.settings) as read:
        asked: list[tuple[Group | None, NameLimits | None]] = [
            (None, None),
            ("component", None),
            (None, NameLimits(components=("c1",), environments=())),
            (None, NameLimits(components=("c2",), environments=())),
        ]
        for number, (group, limits) in enumerate(asked, 1):
            ask(read, limits.narrow(ALL) if limits else ALL, group, limits=limits)
            assert len(kept_keys(world)) == 4 * number


def test_only_days_that_end_before_the_watermark_are_kept(world: World) -> None:
    store_days(world)
    today = midnight_ms() // DAY_MS
    with statistics(world.settings) as read:
        ask(read, watermark_ms=midnight_ms() - 1)
        assert kept_days(world) == [today - 4, today - 3, today - 2]
        ask(read, watermark_ms=0)
        assert kept_days(world) == [today - 4, today - 3, today - 2]


def test_a_day_of_too_many_values_is_not_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_days(world)
    monkeypatch.setattr("storage.statistics.value_counts.MAX_VALUES", 2)
    with statistics(world.settings) as read:
        assert ask(read, group="component").tally.total == 35
        assert kept_keys(world) == []
        assert ask(read).tally.total == 35
        assert len(kept_keys(world)) == 4


@pytest.mark.parametrize("step", [*STEPS, ""])
def test_a_late_event_is_counted_from_its_commit_on_wherever_its_drain_is_killed(
    world: World, step: str
) -> None:
    store_days(world)

    def total() -> int:
        return ask(read, group="component", watermark_ms=watermark(world)).tally.total

    def ask_and_die(name: str) -> None:
        assert total() == 35 + (name in ("committed", "ended"))
        if name == step:
            raise Killed

    with statistics(world.settings) as read:
        for _ in range(2):
            assert total() == 35
        post(world, made(now_ms() - 2 * DAY_MS, "late"))
        drain(world, ask_and_die)
        drain(world)
        for _ in range(2):
            assert total() == 36


def test_a_day_counted_before_a_late_commit_and_kept_after_it_is_never_used(world: World) -> None:
    store_days(world)
    post(world, made(now_ms() - 2 * DAY_MS, "late"))
    wanted = iter([False])

    def store_it_meanwhile() -> bool:  # asked between two slices, in the snapshot
        if next(wanted, True):
            drain(world)
        return False

    with statistics(world.settings) as read:
        assert ask(read, is_unwanted=store_it_meanwhile).tally.total == 35
        assert kept_keys(world)
        assert ask(read).tally.total == 36


def test_following_next_is_exact_and_fills_the_days(
    world: World, monkeypatch: pytest.MonkeyPatch, spans: list[Span]
) -> None:
    store_days(world, 70)
    monkeypatch.setattr(table_counts, "FIRST_ROWS", 3)
    monkeypatch.setattr("storage.statistics.slices._GROWTH", 1.0)
    total, place, answers = 0, None, 0
    with statistics(world.settings) as read:
        while not answers or place:
            one = ask(read, place=place, is_unwanted=after(5))
            assert one.next is None or one.since < one.until
            total, place, answers = total + one.tally.total, one.next, answers + 1
        assert total == 70 * 7
        assert answers > 10
        ask(read)
        spans.clear()
        assert ask(read).tally.total == 70 * 7
    assert min(spans)[0] == to_datetime(midnight_ms())


def test_with_hardly_any_budget_kept_days_never_stop_a_client_that_follows_next(
    world: World,
) -> None:
    store_days(world, 70)
    with statistics(world.settings) as read:
        ask(read)
    with statistics(world.settings, 0.000_001) as read:
        total, place, answers = 0, None, 0
        while not answers or place:
            one = ask(read, place=place)
            total, place, answers = total + one.tally.total, one.next, answers + 1
            assert answers < 300
    assert total == 70 * 7


@pytest.mark.parametrize("seed", range(6))
def test_bars_of_any_window_are_those_of_a_plain_count(world: World, seed: int) -> None:
    chance = random.Random(seed)
    now = now_ms()
    # Of all that is asked for in Monrovia, nothing is on a quarter: it was at -0:44:30 until 1972.
    back = 0 if seed % 2 else now - 35_000_000_000

    def some_ms() -> int:
        at = now - back - chance.randrange(40 * DAY_MS)
        return at // DAY_MS * DAY_MS if chance.random() < 0.4 else at

    def some_event() -> Event:
        email = chance.choice((None, "A@x.org", "b@x.org"))
        tier = chance.choice(("null", '{"t":"gold"}', '{"t":"' + "x" * 300 + '"}'))
        return made(some_ms(), chance.choice("abc"), email=email, data=tier)

    events = [some_event() for _ in range(300)]
    store(world.settings, events)
    with statistics(world.settings) as read:
        for _ in range(80):
            if chance.random() < 0.15:
                events.append(some_event())
                post(world, events[-1])
                drain(world)
            _compare(read, events, chance, sorted(some_ms() for _ in range(2)), now)


def _compare(
    read: Statistics, events: list[Event], chance: random.Random, window: list[int], now: int
) -> None:
    more = timedelta(microseconds=chance.choice([0, 0, 1, 999]))
    start, end = to_datetime(window[0]) + more, to_datetime(window[1]) + 2 * more
    interval, zone = chance.choice(INTERVALS), chance.choice(ZONES)
    if interval == "minute":
        start = max(start, end - timedelta(minutes=MAX_BARS - 10))
    group: Any = chance.choice((None, "component", "email", ("t",)))
    filters = Filters(message=ALL.message, start=start, end=end)
    until = after(chance.choice([1_000_000, 40]))
    counted = ask(read, filters, group, interval, zone, None, now, until)
    assert rows(counted, group is not None, zone) == plain(events, counted, group, zone)
