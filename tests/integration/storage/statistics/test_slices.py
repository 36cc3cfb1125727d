"""Slices of time that take too long, or hold too much, with PostgreSQL's own time limits."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa

from storage.errors import QueryTooSlow
from storage.postgres.engine import counting_engine, short_engine, transaction
from storage.settings import StorageSettings
from storage.statistics import slices
from storage.statistics.slices import Slices, TooMuch

START = datetime(2026, 10, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SPAN = START, START + 100 * HOUR


class Sleepy:
    """A source that takes the same time for each hour, and so much at least."""

    def __init__(self, seconds_an_hour: float, least: float = 0, most: timedelta = HOUR * 999):
        self._an_hour = seconds_an_hour
        self._least = least
        self._most = most
        self.tries = 0

    def width(self, connection: sa.Connection, start: datetime, end: datetime) -> timedelta:
        return end - start

    def start(self, instant: datetime) -> datetime:
        return instant

    def read(self, connection: sa.Connection, start: datetime, end: datetime) -> int:
        self.tries += 1
        if end - start > self._most:
            raise TooMuch
        seconds = max((end - start) / HOUR * self._an_hour, self._least)
        connection.execute(sa.text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})
        return self.tries


@contextmanager
def connected(settings: StorageSettings) -> Iterator[sa.Connection]:
    engine = counting_engine(settings.database_url, 1)
    try:
        with transaction(engine) as connection:
            yield connection
    finally:
        engine.dispose()


def read(connection: sa.Connection, source: Sleepy, seconds: float) -> list[datetime]:
    """Return where the slices of 100 hours start."""
    found = Slices(connection, seconds, lambda: False)
    return [at for at, _ in found.read(START, START + 100 * HOUR, source)]


def test_a_slice_that_takes_too_long_is_tried_again_narrower(settings: StorageSettings) -> None:
    source = Sleepy(0.02)  # all of it takes two seconds
    with connected(settings) as connection:
        starts = read(connection, source, 1.0)
    assert starts
    assert source.tries > len(starts)
    assert all(one > other for one, other in pairwise(starts))


def test_with_time_enough_all_of_the_span_is_read(settings: StorageSettings) -> None:
    with connected(settings) as connection:
        assert read(connection, Sleepy(0.001), 60)[-1] == START
        assert read(connection, Sleepy(0, most=7 * HOUR), 60)[-1] == START


def test_one_slice_is_read_whatever_the_budget_is(settings: StorageSettings) -> None:
    with connected(settings) as connection:
        starts = read(connection, Sleepy(0, least=0.05), 0.001)
    assert len(starts) == 1


def test_what_is_never_quick_enough_is_told(
    settings: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "FIRST_SECONDS", 0.5)
    with connected(settings) as connection, pytest.raises(QueryTooSlow):
        read(connection, Sleepy(0, least=30), 0.1)


def test_the_attempts_at_a_first_slice_have_no_more_time_than_the_budget(
    settings: StorageSettings,
) -> None:
    limits: list[float] = []

    class Hanging(Sleepy):
        def read(self, connection: sa.Connection, start: datetime, end: datetime) -> int:
            limit = connection.scalar(
                sa.text("SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'")
            )
            limits.append((limit or 0) / 1000)
            return super().read(connection, start, end)

    with connected(settings) as connection, pytest.raises(QueryTooSlow):
        read(connection, Hanging(0, least=30), 2.0)
    assert len(limits) > 2
    assert sum(limits) <= 2.0


def test_a_millisecond_that_holds_too_much_is_told(settings: StorageSettings) -> None:
    with connected(settings) as connection, pytest.raises(QueryTooSlow):
        read(connection, Sleepy(0, most=timedelta(0)), 60)


def test_what_nobody_wants_any_more_is_not_read(settings: StorageSettings) -> None:
    with connected(settings) as connection:
        found = Slices(connection, 60, lambda: True)
        assert list(found.read(START, START + HOUR, Sleepy(0))) == []


def test_all_slices_see_one_snapshot_also_after_a_cancelled_one(settings: StorageSettings) -> None:
    with connected(settings) as connection, short_engine(settings.database_url) as writer:
        first = connection.scalar(sa.text("SELECT pg_current_snapshot()::text"))
        with transaction(writer) as other:
            other.execute(sa.text("SELECT pg_current_xact_id()"))  # the next snapshot differs
        read(connection, Sleepy(0.02), 1.0)
        assert connection.scalar(sa.text("SELECT pg_current_snapshot()::text")) == first


def test_only_the_queries_of_a_slice_have_its_time_limit(settings: StorageSettings) -> None:
    """A savepoint that is cancelled would abort the transaction, and with it the count."""
    limits = []

    def note(connection: sa.Connection, *_: object) -> None:
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute("SHOW statement_timeout")
            limits.append(cursor.fetchone())

    with connected(settings) as connection:
        for moment in ("savepoint", "release_savepoint"):
            sa.event.listen(connection.engine, moment, note)
        note(connection)
        source = Sleepy(0.02)
        starts = read(connection, source, 1.0)
    assert source.tries > len(starts)
    assert len(limits) > source.tries
    assert set(limits) == set(limits[:1])


def test_a_rest_ends_with_the_budget(settings: StorageSettings) -> None:
    asked: list[float] = []

    def rest_after(worked: float) -> float:
        asked.append(worked)
        return 60.0

    with connected(settings) as connection:
        begun = time.monotonic()
        slices_ = Slices(connection, 0.5, lambda: False, rest_after=rest_after)
        found = list(slices_.read(*SPAN, Sleepy(0.001, most=10 * HOUR)))
        assert time.monotonic() - begun >= 0.5
    assert len(found) == len(asked) == 1
    assert asked[0] > 0


def test_a_whole_count_needs_no_rest_at_its_end(settings: StorageSettings) -> None:
    def rest_after(worked: float) -> float:
        raise AssertionError(worked)

    with connected(settings) as connection:
        found = Slices(connection, 60, lambda: False, rest_after=rest_after)
        assert [at for at, _ in found.read(*SPAN, Sleepy(0))] == [START]


def test_who_leaves_ends_a_rest(settings: StorageSettings) -> None:
    left = threading.Event()

    def rest_after(_: float) -> float:
        left.set()
        return 60.0

    with connected(settings) as connection:
        found = Slices(connection, 60, left.is_set, rest_after=rest_after)
        assert len(list(found.read(*SPAN, Sleepy(0, most=50 * HOUR)))) == 1
