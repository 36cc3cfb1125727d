"""Count the values of fields, exactly: over all of the window, or a newer part of it that is told.

What is counted of closed days is kept on control. So the same question, asked again, goes on where
the budget ended, and ends with the whole.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from storage.cache.day_cache import LOOKUP_DAYS, DayCache, Days
from storage.postgres.engine import transaction
from storage.statistics.counts import Bars
from storage.statistics.coverage import Span, parts
from storage.statistics.facet_hours import FacetHours, merge_days
from storage.statistics.facet_question import FacetQuestion
from storage.statistics.facet_slices import FacetSlices
from storage.statistics.kept_facets import DAY, EPOCH, KeptFacets
from storage.statistics.question import without_times
from storage.statistics.reader import Coverage
from storage.statistics.slices import Slices, Source
from storage.statistics.value_counts import Counts, Facet, empty, fits, merge
from storage.statistics.window import Window, window_of

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class CountedFacets:
    """The facets of the fields, in the question's order, over the window from `since` on."""

    window: Window
    since: datetime
    facets: list[Facet]

    @property
    def is_complete(self) -> bool:
        """Whether all of the window is counted."""
        return self.since <= self.window.start


class Facets:
    """Counts of values, each in one snapshot. Threads may share it."""

    def __init__(
        self, engine: sa.Engine, coverage: Coverage, days: DayCache, budget_seconds: float
    ) -> None:
        self._engine = engine
        self._coverage = coverage
        self._days = days
        self._budget = budget_seconds

    def count(
        self, question: FacetQuestion, watermark_ms: int, is_unwanted: Callable[[], bool]
    ) -> CountedFacets:
        """Count from the newest event on, until the budget is used up.

        `watermark_ms`: everything created before it is stored; 0 if unknown. Raises
        DatabaseUnavailable, QueryTooSlow.
        """
        by_hours = question.is_of_hours
        # Before the snapshot: what is kept is valid only if nothing was stored late since then.
        days = None if by_hours else self._days.open(question.digest_of_days, watermark_ms)
        with transaction(self._engine) as connection:
            slices = Slices(connection, self._budget, is_unwanted)
            exact = self._coverage(connection)
            window = window_of(connection, question.filters, exact)
            everything = window_of(connection, without_times(question.filters), exact)
            inner = _overlap(window, everything)
            walk = _Walk(question, slices, inner)
            done = walk.hours(exact) if days is None else walk.days(days, self._budget)
        if days is not None:
            days.flush()
        since = window.start if done else walk.since
        found = dict(zip(question.counted, walk.total, strict=True))
        facets = [found[field].facet(question.values, done) for field in question.fields]
        return CountedFacets(window, since, facets)


class _Walk:
    """One count, from the newest event on: `total` is of all events from `since` on."""

    def __init__(self, question: FacetQuestion, slices: Slices, window: Window) -> None:
        self._filters, self._fields = question.filters, question.counted
        self._slices = slices
        self._window = window
        self.since = window.end
        self.total = empty(len(self._fields))

    def hours(self, exact: Sequence[Span]) -> bool:
        """Count by hours where they are exact. Return whether all was counted."""
        if not self._fields:  # only the keys of `data` are asked for
            return True
        hours = FacetHours(self._filters, self._fields)
        return all(
            self._count(start, end, hours if is_exact else self._table([start]))
            for start, end, is_exact in parts(*self._window, exact)
        )

    def days(self, days: Days, seconds: float) -> bool:
        """Count in the table, but what is kept of closed days. Return whether all was counted."""
        ends = time.monotonic() + seconds
        start, end = self._window
        closed = max(start, min(_floor(end), EPOCH + days.closed * DAY))
        if not self._count(closed, end, self._table([closed])):
            return False
        while self.since > start:
            if time.monotonic() > ends:
                return False
            oldest = _floor(self.since - _MICROSECOND) - (LOOKUP_DAYS - 1) * DAY
            window = Window(max(start, oldest), self.since)
            if not self._closed_days(KeptFacets(days, window, len(self._fields))):
                return False
        return True

    def _closed_days(self, days: KeptFacets) -> bool:
        table = self._table(days.starts)
        for start, end, counts in days.parts():
            if counts is None:
                if not self._count(start, end, table, days.add):
                    days.stop(self.since)
                    return False
            elif not self._add(start, counts):
                return False
        return True

    def _count(
        self,
        start: datetime,
        end: datetime,
        source: Source[dict[int, Counts]],
        on_slice: Callable[[datetime, dict[int, Counts]], None] | None = None,
    ) -> bool:
        """Count a part of the window. Return whether all of it was counted."""
        for since, found in self._slices.read(start, end, source):
            counts = empty(len(self._fields))
            merge_days(counts, found)
            if not self._add(since, counts):
                return False
            if on_slice:
                on_slice(since, found)
        return self.since <= start

    def _add(self, since: datetime, counts: Counts) -> bool:
        """Add the counts of the events from `since` on. Return False if they are too many."""
        if not fits(self.total, counts):
            return False
        merge(self.total, counts)
        self.since = since
        return True

    def _table(self, days: Sequence[datetime]) -> FacetSlices:
        return FacetSlices(self._filters, self._fields, Bars(days))


def _overlap(window: Window, other: Window) -> Window:
    """Return what both have in common; where nothing is, an empty window."""
    start, end = max(window.start, other.start), min(window.end, other.end)
    return Window(start, max(start, end))


def _floor(instant: datetime) -> datetime:
    return instant - (instant - EPOCH) % DAY
