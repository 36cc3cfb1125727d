"""Count a window, newest first: by hours, or in the table where no count of a day is kept."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from storage.cache.day_cache import LOOKUP_DAYS, Days
from storage.statistics.coverage import Span, parts
from storage.statistics.kept_days import DAY, EPOCH, KeptDays
from storage.statistics.slices import Slices, Source
from storage.statistics.value_counts import Counts
from storage.statistics.window import Window

Found = Mapping[int, Counts]
"""The counts of days, by the position of each among the days that are counted."""

_MICROSECOND = timedelta(microseconds=1)


class DayWalk(ABC):
    """A count that goes back from the newest event: all events from `since` on are counted.

    `fields`: their number in the counts of a day. `has_quarters`: each field is a quarter hour.
    """

    def __init__(
        self, slices: Slices, window: Window, fields: int, has_quarters: bool = False
    ) -> None:
        self._slices = slices
        self._window = window
        self._fields = fields
        self._has_quarters = has_quarters
        self.since = window.end

    def hours(self, exact: Sequence[Span]) -> bool:
        """Count by hours where they are exact. Return whether all was counted."""
        return all(
            self._hours(start, end) if is_exact else self._table(start, end)
            for start, end, is_exact in parts(*self._window, exact)
        )

    def days(self, days: Days, seconds: float) -> bool:
        """Count at least a part of the window. Return whether all was counted."""
        ends = time.monotonic() + seconds
        start, end = self._window
        closed = max(start, min(_floor(end), EPOCH + days.closed * DAY))
        if not self._table(closed, end):
            return False
        while self.since > start:
            oldest = _floor(self.since - _MICROSECOND) - (LOOKUP_DAYS - 1) * DAY
            window = Window(max(start, oldest), self.since)
            if not self._closed(days, window):
                return False
            if time.monotonic() > ends:
                return self.since <= start
        return True

    @abstractmethod
    def _hours(self, start: datetime, end: datetime) -> bool:
        """Count a part of the window by hours. Return whether all of it was counted."""

    @abstractmethod
    def _table(self, start: datetime, end: datetime) -> bool:
        """Count a part of the window in the table. Return whether all of it was counted."""

    @abstractmethod
    def _by_day(self, days: Sequence[datetime]) -> Source[dict[int, Counts]]:
        """Return the source of the counts to keep, for the days with these starts."""

    @abstractmethod
    def _add(self, days: Sequence[datetime], found: Found) -> bool:
        """Add the counts of the days with these starts. Return False if they are too many."""

    @abstractmethod
    def _is_told(self, window: Window) -> bool:
        """Return whether counts of days can answer for a part of the window."""

    def _closed(self, days: Days, window: Window) -> bool:
        if not self._is_told(window):
            return self._table(*window)
        kept = KeptDays(days, window, self._fields, self._has_quarters)
        source = self._by_day(kept.starts)
        for start, end, counts in kept.parts():
            if counts is None:
                if not self._count(start, end, source, kept):
                    kept.stop(self.since)
                    return False
            elif not self._take(start, kept.starts, {kept.ending(end): counts}):
                return False
        return True

    def _count(
        self, start: datetime, end: datetime, source: Source[dict[int, Counts]], kept: KeptDays
    ) -> bool:
        for since, found in self._slices.read(start, end, source):
            if not self._take(since, kept.starts, found):
                return False
            kept.add(since, found)
        return self.since <= start

    def _take(self, since: datetime, days: Sequence[datetime], found: Found) -> bool:
        if not self._add(days, found):
            return False
        self.since = since
        return True


def overlap(window: Window, other: Window) -> Window:
    """Return the overlap of both windows; an empty window if there is none."""
    start, end = max(window.start, other.start), min(window.end, other.end)
    return Window(start, max(start, end))


def _floor(instant: datetime) -> datetime:
    return instant - (instant - EPOCH) % DAY
