"""Count the history over time, exactly: all of the window, or a part of it that is told."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter_ns
from typing import Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from storage.metrics.instruments import statistics
from storage.postgres.engine import transaction
from storage.statistics import bars as calendar
from storage.statistics.bars import Interval
from storage.statistics.counts import Bars, Count
from storage.statistics.coverage import Part, Span, parts
from storage.statistics.hour_counts import HourSlices
from storage.statistics.question import Question
from storage.statistics.slices import Slices, Source
from storage.statistics.table_counts import TableSlices
from storage.statistics.tally import Mark, Tally
from storage.statistics.window import Window, window_of

Coverage = Callable[[sa.Connection], Sequence[Span]]
"""Returns for which time the counts by hour are exact, in the snapshot of the transaction."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Into which bars a window is divided."""

    interval: Interval | Literal["auto"]
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer ended that is continued: `until` is where its oldest slice starts."""

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

    def __init__(self, engine: sa.Engine, coverage: Coverage, budget_seconds: float) -> None:
        self._engine = engine
        self._coverage = coverage
        self._budget = budget_seconds

    def count(
        self,
        question: Question,
        scale: Scale,
        place: Place | None,
        is_unwanted: Callable[[], bool],
    ) -> Counted:
        """Count from the newest event on, or on from a place, until the budget is used up.

        Raises TooManyBars, DatabaseUnavailable, QueryTooSlow.
        """
        start = perf_counter_ns()
        try:
            return self._count(question, scale, place, is_unwanted)
        finally:
            statistics.observe_since(start)

    def _count(
        self,
        question: Question,
        scale: Scale,
        place: Place | None,
        is_unwanted: Callable[[], bool],
    ) -> Counted:
        with transaction(self._engine) as connection:
            slices = Slices(connection, self._budget, is_unwanted)
            exact = self._coverage(connection)
            window = place.window if place else window_of(connection, question.filters, exact)
            interval = scale.interval
            if interval == "auto":
                interval = calendar.choose(*window)
            starts = calendar.starts(*window, interval, scale.zone)
            tally = Tally(place.named if place else ())
            until = place.until if place else window.end
            told = exact if question.is_of_hours else ()
            spans = parts(window.start, until, told)
            since = min(_add_up(slices, spans, question, Bars(starts), tally), default=until)
        named = tuple(tally.settle())
        rest = None if since <= window.start else Place(window, since, named)
        return Counted(window, interval, starts, since, until, tally, rest)


def _add_up(
    slices: Slices,
    spans: Sequence[Part],
    question: Question,
    bars: Bars,
    tally: Tally,
) -> Iterator[datetime]:
    """Count the spans, newest first, into the tally; yield from where on all is counted."""
    for start, end, is_exact in spans:
        source: Source[list[Count]] = (HourSlices if is_exact else TableSlices)(question, bars)
        since = end
        for since, counts in slices.read(start, end, source):
            tally.add(counts)
            yield since
        if since > start:
            return
