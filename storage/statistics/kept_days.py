"""The counts of some closed days that follow each other: those that are kept, and those to keep."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import NamedTuple

from storage.cache.day_cache import Days
from storage.model.event import to_datetime
from storage.statistics.marks import Mark
from storage.statistics.named_values import NamedValues
from storage.statistics.slices import NARROWEST
from storage.statistics.value_counts import Counts, DayCounts, empty, fits, merge, pack, unpack
from storage.statistics.window import Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
QUARTER = timedelta(minutes=15)


class Part(NamedTuple):
    """A part of the days: its counts are kept, or it must be counted (`counts` is None)."""

    start: datetime
    end: datetime
    counts: Counts | None


@dataclass(slots=True)
class _Kept:
    since: datetime
    counts: Counts
    marks: frozenset[Mark] | None  # of the values that are counted by name; None: all are

    def names(self, wanted: NamedValues | None) -> bool:
        """Return whether all these values are counted by name; None: all that there are."""
        return self.marks is None or (wanted is not None and self.marks >= set(wanted.named))


class KeptDays:
    """The days of a window that ends with a day, and may begin within one.

    A day is kept from a time on until its end: the budget may end within a day. `fields`: in the
    counts of each day. With `has_quarters` each is of a quarter hour: then what is kept of a day
    also serves a window that begins within it. `named`: the values that are counted by name; all,
    unless given.
    """

    def __init__(
        self,
        days: Days,
        window: Window,
        fields: int,
        has_quarters: bool = False,
        named: NamedValues | None = None,
    ) -> None:
        self._days = days
        self._fields = fields
        self._named = named
        self._first = (window.start - EPOCH) // DAY
        count = (window.end - EPOCH) // DAY - self._first
        later = (EPOCH + (self._first + number) * DAY for number in range(1, count))
        self.starts = [window.start, *later]
        self._kept = self._read()
        self._is_longer = not self._is_usable(0) and 0 in self._kept
        if has_quarters and self._is_longer:
            self._kept[0] = _from_quarter(self._kept[0], window.start)
        self._counting: dict[int, Counts] = {}
        self._large: set[int] = set()
        self._left = [at for at in reversed(range(count)) if not self._is_whole(at)]

    def parts(self) -> Iterator[Part]:
        """Yield the parts, newest first; before the next one, `add` what is counted of a part."""
        end = None
        for at in reversed(range(len(self.starts))):
            kept = self._kept.get(at)
            if not self._is_usable(at):
                end = end or self._end(at)
                continue
            if end:
                yield Part(self._end(at), end, None)
            assert kept is not None
            end = None if self._is_whole(at) else kept.since
            yield Part(end or self.starts[at], self._end(at), kept.counts)
        if end:
            yield Part(self.starts[0], end, None)

    def ending(self, end: datetime) -> int:
        """Return the day that ends at this instant, by its position in `starts`."""
        return (end - EPOCH) // DAY - self._first - 1

    def add(self, since: datetime, found: dict[int, Counts]) -> None:
        """Add what was counted, down to this instant; keep the days that are whole now."""
        for at, counts in found.items():
            self._count(at, counts)
        for at in list(takewhile(lambda at: self.starts[at] >= since, self._left)):
            self._keep(at, self.starts[at])
            self._left.remove(at)

    def stop(self, since: datetime) -> None:
        """Keep what is counted of the day in which the counting has ended."""
        if self._left and since < self._end(self._left[0]):
            self._keep(self._left[0], since)

    def _read(self) -> dict[int, _Kept]:
        numbers = [self._first + at for at in range(len(self.starts))]
        found: dict[int, _Kept] = {}
        for day, packed in self._days.kept(numbers).items():
            if unpacked := unpack(packed, self._fields):
                since_ms, counts, marks = unpacked
                kept = _Kept(to_datetime(since_ms), counts, marks)
                if kept.names(self._named):
                    found[day - self._first] = kept
        return found

    def _is_usable(self, at: int) -> bool:
        """Return whether all that is kept of a day is in the window."""
        kept = self._kept.get(at)
        return kept is not None and kept.since >= self.starts[at]

    def _is_whole(self, at: int) -> bool:
        return self._is_usable(at) and self._kept[at].since - self.starts[at] < NARROWEST

    def _end(self, at: int) -> datetime:
        return EPOCH + (self._first + at + 1) * DAY

    def _counts(self, at: int) -> Counts:
        if at not in self._counting:
            kept = self._kept[at].counts if self._is_usable(at) else empty(self._fields)
            self._counting[at] = kept
        return self._counting[at]

    def _count(self, at: int, counts: Counts) -> None:
        if at not in self._large and fits(self._counts(at), counts):
            merge(self._counts(at), counts)
        else:
            self._large.add(at)
            self._counting.pop(at, None)

    def _keep(self, at: int, since: datetime) -> None:
        if at in self._large:
            return
        counts = self._counts(at)
        del self._counting[at]
        if at == 0 and self._is_longer:
            return  # what is kept goes back further than this window
        # `created_at` has no microseconds: from the next millisecond on is the same.
        since_ms = -((EPOCH - since) // NARROWEST)
        self._days.keep(self._first + at, pack(DayCounts(since_ms, counts, self._marks(at))))

    def _marks(self, at: int) -> frozenset[Mark] | None:
        """Return the values that are counted by name in all of a day."""
        marks = None if self._named is None else self._named.marks
        kept = self._kept[at].marks if self._is_usable(at) else None
        return kept if marks is None else marks if kept is None else marks & kept


def _from_quarter(kept: _Kept, start: datetime) -> _Kept:
    """Return the counts from the first quarter on that begins at the start or later."""
    since = start + (EPOCH - start) % QUARTER
    before = (since - EPOCH) % DAY // QUARTER or len(kept.counts)
    return _Kept(since, [*empty(before), *kept.counts[before:]], kept.marks)
