"""Count a window, newest first: by hours, or in the table where no count of a day is kept."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from storage.cache.day_cache import LOOKUP_DAYS, Days
from storage.statistics.coverage import Span, parts
from storage.statistics.kept_days import DAY, EPOCH, KeptDays
from storage.statistics.named_values import NamedValues
from storage.statistics.slices import Slices, Source
from storage.statistics.table_counts import last_event
from storage.statistics.value_counts import Counts
from storage.statistics.window import Window

Found = Mapping[int, Counts]
"""The counts of days, by the position of each among the days that are counted."""

_MICROSECOND = timedelta(microseconds=1)


class DayWalk(ABC):
    """A count that goes back from the newest event: all events from `since` on are counted.

    `fields`: their number in the counts of a day. `has_quarters`: each field is a quarter hour.
    `named`: the values that are counted by name; all, unless given.
    """

    def __init__(
        self,
        slices: Slices,
        window: Window,
        fields: int,
        has_quarters: bool = False,
        named: NamedValues | None = None,
    ) -> None:
        self._slices = slices
        self._window = window
        self._fields = fields
        self._has_quarters = has_quarters
        self._named = named
        self._has_found = True  # anything in the days before
        self.since = window.end

    def hours(self, exact: Sequence[Span]) -> bool:
        """Count by hours where they are exact. Return whether all was counted."""
        return all(
            self._hours(start, end) if is_exact else self._table(start, end)
            for start, end, is_exact in parts(*self._window, exact)
        )

    def days(self, days: Days) -> bool:
        """Count at least a part of the window. Return whether all was counted."""
        start, end = self._window
        closed = max(start, min(_floor(end), EPOCH + days.closed * DAY))
        if not self._table(closed, end):
            return False
        while self.since > start:
            if not self._has_found:
                self._skip_what_is_empty(start)
            self._has_found = False
            oldest = _floor(self.since - _MICROSECOND) - (LOOKUP_DAYS - 1) * DAY
            window = Window(max(start, oldest), self.since)
            if not self._closed(days, window):
                return False
            if self._slices.is_over:
                return self.since <= start
        return True

    def _skip_what_is_empty(self, start: datetime) -> None:
        """Go back to the end of the next day with events: one may be years before all others."""
        found = self._slices.look(lambda connection: last_event(connection, start, self.since))
        if found is not None:
            last = found[0]
            self.since = start if last is None else min(self.since, _floor(last) + DAY)

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
        kept = KeptDays(days, window, self._fields, self._has_quarters, self._named)
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
        self._has_found |= any(one.values or one.missing for day in found.values() for one in day)
        return True


def _floor(instant: datetime) -> datetime:
    return instant - (instant - EPOCH) % DAY
