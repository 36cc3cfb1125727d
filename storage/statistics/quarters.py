"""Counts by quarter hours of days in UTC, as they are kept: bars that end on quarters add them up.

The counts of a day have a field for each of its quarters.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from storage.statistics.counts import Bars, Count
from storage.statistics.kept_days import DAY, EPOCH, QUARTER
from storage.statistics.named_values import NamedValues
from storage.statistics.question import Question
from storage.statistics.table_counts import OfTable, TableSlices
from storage.statistics.value_counts import Counts, ValueCounts, empty

QUARTERS = DAY // QUARTER

_UNNAMED = "\0"
"""Stands for all values that are too long, or not asked for: no text of PostgreSQL has it."""


class QuarterSlices(OfTable):
    """What is counted in slices of the table, by day and quarter: see `Source`."""

    def __init__(
        self, question: Question, days: Sequence[datetime], named: NamedValues | None = None
    ) -> None:
        self._table = TableSlices(question, Bars(_quarters(days[0], len(days))), named)

    def read(self, connection: sa.Connection, start: datetime, end: datetime) -> dict[int, Counts]:
        """Count the slice; return the counts of each day that has any. Raises TooMuch."""
        found: dict[int, Counts] = {}
        for at, value, is_missing, number in self._table.read(connection, start, end):
            day, quarter = divmod(at, QUARTERS)
            counts = found.get(day) or found.setdefault(day, empty(QUARTERS))
            unnamed = None if is_missing else _UNNAMED
            counts[quarter].add(unnamed if value is None else value, number)
        return found


def is_on_quarters(bars: Bars, start: datetime, end: datetime) -> bool:
    """Return whether each bar that ends within the span does so on a quarter."""
    return all((edge - EPOCH) % QUARTER == timedelta(0) for edge in bars.between(start, end))


def in_bars(day: datetime, counts: Counts, bars: Bars) -> Iterator[Count]:
    """Yield the counts of a day's quarters in bars; the first bar may begin within a quarter."""
    for start, quarter in zip(_quarters(day, 1), counts, strict=True):
        yield from _in_bar(max(bars.position(start), 0), quarter)


def _quarters(instant: datetime, days: int) -> list[datetime]:
    """Return the starts of the quarters of an instant's day, and of those that follow it."""
    first = instant - (instant - EPOCH) % DAY
    return [first + number * QUARTER for number in range(days * QUARTERS)]


def _in_bar(bar: int, counts: ValueCounts) -> Iterator[Count]:
    if counts.missing:
        yield Count(bar, None, True, counts.missing)
    for value, number in counts.values.items():
        yield Count(bar, None if value == _UNNAMED else value, False, number)
