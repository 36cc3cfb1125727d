"""Count the history over time exactly, over the window or over the part that is covered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter_ns
from typing import Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from storage.cache.day_cache import DayCache, Days
from storage.metrics.instruments import statistics
from storage.model.filters import Filters
from storage.postgres.engine import TimeLeft
from storage.postgres.read_router import ReadRouter
from storage.statistics import bars as calendar
from storage.statistics.bar_count import BarCount, ManyValued
from storage.statistics.bars import Interval
from storage.statistics.counts import Bars
from storage.statistics.coverage import Span
from storage.statistics.marks import Mark
from storage.statistics.question import Question, without_times
from storage.statistics.rests import RestAfter, no_rest
from storage.statistics.slices import Slices
from storage.statistics.tally import Tally
from storage.statistics.window import FIND_MS, Window, window_of, with_events

Coverage = Callable[[sa.Connection], Sequence[Span]]
"""Returns for which time the counts by hour are exact, in the snapshot of the transaction."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The interval of the bars of a window, and their time zone."""

    interval: Interval | Literal["auto"]
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Place:
    """Where an earlier answer ended, to be continued: `until` is the start of its oldest slice."""

    window: Window
    until: datetime
    named: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts of a window from `since` to `until`; `next` is None if nothing is left.

    `starts`: those of all bars; `tally` knows each by its position among them.
    """

    window: Window
    interval: Interval
    starts: Sequence[datetime]
    since: datetime
    until: datetime
    tally: Tally
    next: Place | None


class Statistics:
    """Counts of the history, each in one snapshot. Threads may share it."""

    def __init__(
        self,
        router: ReadRouter,
        coverage: Coverage,
        days: DayCache,
        budget_seconds: float,
        rest_after: RestAfter = no_rest,
    ) -> None:
        self._router = router
        self._coverage = coverage
        self._days = days
        self._budget = budget_seconds
        self._rest_after = rest_after
        self._many = ManyValued()

    def count(
        self,
        question: Question,
        scale: Scale,
        place: Place | None,
        watermark_ms: int,
        is_unwanted: Callable[[], bool],
    ) -> Counted:
        """Count back from the newest event, or from a place, until the budget is used up.

        `watermark_ms`: everything created before it is stored; 0 if unknown. Raises TooManyBars,
        DatabaseUnavailable, QueryTooSlow.
        """
        start = perf_counter_ns()
        try:
            if question.is_of_hours:
                return self._routed(question, scale, place, None, is_unwanted)
            # Before the snapshot: what is kept is valid only if nothing was stored late since then.
            days = self._days.open(question.digest_of_days, watermark_ms)
            counted = self._routed(question, scale, place, days, is_unwanted)
            days.flush()
            return counted
        finally:
            statistics.observe_since(start)

    def _routed(
        self,
        question: Question,
        scale: Scale,
        place: Place | None,
        days: Days | None,
        is_unwanted: Callable[[], bool],
    ) -> Counted:
        return self._router.read(
            lambda connection: self._count(connection, question, scale, place, days, is_unwanted)
        )

    def _count(
        self,
        connection: sa.Connection,
        question: Question,
        scale: Scale,
        place: Place | None,
        days: Days | None,
        is_unwanted: Callable[[], bool],
    ) -> Counted:
        slices = Slices(connection, self._budget, is_unwanted, rest_after=self._rest_after)
        time_left = TimeLeft(FIND_MS)
        time_left.allow(connection)
        exact = self._coverage(connection)

        def window_for(filters: Filters) -> Window:
            return window_of(connection, filters, exact, time_left)

        window = place.window if place else window_for(question.filters)
        interval = scale.interval
        if interval == "auto":
            interval = calendar.choose(*window)
        starts = calendar.starts(*window, interval, scale.zone)
        until = place.until if place else window.end
        inner = Window(window.start, until)
        if days is not None:
            inner = with_events(inner, lambda: window_for(without_times(question.filters)))
        named = place.named if place else ()
        count = BarCount(question, slices, inner, Bars(starts), window.end, named)
        tally, since = count.hours(exact) if days is None else count.days(days, self._many)
        if since <= inner.start:
            since = window.start
        named = tuple(tally.settle())
        rest = None if since <= window.start else Place(window, since, named)
        return Counted(window, interval, starts, since, until, tally, rest)
