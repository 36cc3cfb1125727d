"""Count the values of fields exactly, over the window or over the newer part that is covered.

Counts of closed days are kept on control. So if the same question is asked again, the count goes on
where the budget ended, until it covers the window.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage.cache.day_cache import DayCache, Days
from storage.model.filters import Filters
from storage.postgres.engine import TimeLeft
from storage.postgres.read_router import ReadRouter
from storage.statistics.counts import Bars
from storage.statistics.coverage import Span
from storage.statistics.day_walk import DayWalk, Found
from storage.statistics.facet_hours import FacetHours, merge_days
from storage.statistics.facet_question import FacetQuestion
from storage.statistics.facet_slices import FacetSlices
from storage.statistics.question import without_times
from storage.statistics.reader import Coverage
from storage.statistics.rests import RestAfter, no_rest
from storage.statistics.slices import Slices, Source
from storage.statistics.value_counts import Counts, Facet, empty, fits, merge
from storage.statistics.window import FIND_MS, Window, window_of, with_events


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

    def count(
        self,
        question: FacetQuestion,
        watermark_ms: int,
        is_unwanted: Callable[[], bool],
        begun: float | None = None,
    ) -> CountedFacets:
        """Count back from the newest event, until the budget is used up.

        `watermark_ms`: everything created before it is stored; 0 if unknown. `begun`: see `Slices`.
        Raises DatabaseUnavailable, QueryTooSlow.
        """
        by_hours = question.is_of_hours
        # Before the snapshot: what is kept is valid only if nothing was stored late since then.
        days = None if by_hours else self._days.open(question.digest_of_days, watermark_ms)
        window, walk, done = self._router.read(
            lambda connection: self._walk(connection, question, days, is_unwanted, begun)
        )
        if days is not None:
            days.flush()
        since = window.start if done else walk.since
        found = dict(zip(question.counted, walk.total, strict=True))
        facets = [found[field].facet(question.values, done) for field in question.fields]
        return CountedFacets(window, since, facets)

    def _walk(
        self,
        connection: sa.Connection,
        question: FacetQuestion,
        days: Days | None,
        is_unwanted: Callable[[], bool],
        begun: float | None,
    ) -> tuple[Window, "_Walk", bool]:
        """Return the window, what was counted of it, and whether that is all."""
        slices = Slices(connection, self._budget, is_unwanted, begun, self._rest_after)
        time_left = TimeLeft(FIND_MS)
        time_left.allow(connection)
        exact = self._coverage(connection)

        def window_for(filters: Filters) -> Window:
            return window_of(connection, filters, exact, time_left)

        window = window_for(question.filters)
        inner = with_events(window, lambda: window_for(without_times(question.filters)))
        walk = _Walk(question, slices, inner)
        return window, walk, walk.hours(exact) if days is None else walk.days(days)


class _Walk(DayWalk):
    """One count: `total` is of all events from `since` on."""

    def __init__(self, question: FacetQuestion, slices: Slices, window: Window) -> None:
        super().__init__(slices, window, len(question.counted))
        self._filters, self._asked = question.filters, question.counted
        self.total = empty(len(self._asked))

    def hours(self, exact: Sequence[Span]) -> bool:
        """Count by hours where they are exact. Return whether all was counted."""
        return not self._asked or super().hours(exact)  # or only the keys of `data` are asked for

    def _hours(self, start: datetime, end: datetime) -> bool:
        return self._read(start, end, FacetHours(self._filters, self._asked))

    def _table(self, start: datetime, end: datetime) -> bool:
        return self._read(start, end, self._by_day([start]))

    def _by_day(self, days: Sequence[datetime]) -> FacetSlices:
        return FacetSlices(self._filters, self._asked, Bars(days))

    def _add(self, days: Sequence[datetime], found: Found) -> bool:
        counts = empty(len(self._asked))
        merge_days(counts, found)
        if not fits(self.total, counts):
            return False
        merge(self.total, counts)
        return True

    def _is_told(self, window: Window) -> bool:
        return True

    def _read(self, start: datetime, end: datetime, source: Source[dict[int, Counts]]) -> bool:
        for since, found in self._slices.read(start, end, source):
            if not self._take(since, [start], found):
                return False
        return self.since <= start
