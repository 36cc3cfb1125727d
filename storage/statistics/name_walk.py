"""Find the most frequent values of a group, without carrying all of its values here.

PostgreSQL finds the most frequent values of each slice. So a value is passed over that is rare in
each of them: that decides which values are named, and no count.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from storage.postgres.tables import events
from storage.statistics.counts import Bars
from storage.statistics.day_walk import DayWalk, Found
from storage.statistics.question import Question
from storage.statistics.slices import Slices
from storage.statistics.table_counts import OfTable, group_value, within
from storage.statistics.value_counts import MAX_VALUE_BYTES, Counts, ValueCounts, is_nameable
from storage.statistics.window import Window

CANDIDATES = 1_000
"""Values of each slice and day: of fewer different values none is passed over."""

_MAX_CANDIDATES = 100_000  # in memory
_LEFT = 10_000  # of them, after they were too many


class TopSlices(OfTable):
    """The most frequent values in slices of the table, by day: see `Source`."""

    def __init__(self, question: Question, days: Bars) -> None:
        assert question.group is not None
        self._filters = question.filters
        self._value = group_value(question.group)
        self._days = days

    def read(self, connection: sa.Connection, start: datetime, end: datetime) -> dict[int, Counts]:
        """Return the counts of each day that has any."""
        day = self._days.of(events.c.created_at, start, end).label("day")
        at = within(self._filters, start, end)
        is_short = sa.func.octet_length(self._value) <= MAX_VALUE_BYTES
        rows = sa.select(day, self._value.label("value")).where(*at, is_short).subquery()
        number = sa.func.count().label("n")
        order = (number.element.desc(), rows.c.value.collate("C"))
        place = sa.func.row_number().over(partition_by=rows.c.day, order_by=order).label("place")
        ranked = sa.select(rows.c.day, rows.c.value, number, place)
        ranked_rows = ranked.group_by(rows.c.day, rows.c.value).subquery()
        columns = (ranked_rows.c.day, ranked_rows.c.value, ranked_rows.c.n)
        found: dict[int, Counts] = {}
        query = sa.select(*columns).where(ranked_rows.c.place <= CANDIDATES)
        for at_day, value, count in connection.execute(query).all():
            counts = found.get(at_day) or found.setdefault(at_day, [ValueCounts()])
            counts[0].values[value] = count
        return {at: [_repeated(counts[0])] for at, counts in found.items()}


def _repeated(counts: ValueCounts) -> ValueCounts:
    """Return those of many values that are there more than once: the others are all alike."""
    if len(counts.values) < CANDIDATES:
        return counts
    return ValueCounts(Counter({value: n for value, n in counts.values.items() if n > 1}))


class NameWalk(DayWalk):
    """One search, into the counts of candidates."""

    def __init__(self, question: Question, slices: Slices, window: Window) -> None:
        super().__init__(slices, window, 1)
        self._question = question
        self._candidates: Counter[str] = Counter()

    def found(self) -> list[str]:
        """Return the candidates, most frequent first, those of equal counts in text order."""
        counts = self._candidates
        ordered = sorted(counts, key=lambda value: (-counts[value], value))
        return [value for value in ordered if is_nameable(value)]

    def _hours(self, start: datetime, end: datetime) -> bool:
        return self._table(start, end)

    def _table(self, start: datetime, end: datetime) -> bool:
        for since, found in self._slices.read(start, end, self._by_day([start])):
            self._take(since, [start], found)
        return self.since <= start

    def _by_day(self, days: Sequence[datetime]) -> TopSlices:
        return TopSlices(self._question, Bars(days))

    def _add(self, days: Sequence[datetime], found: Found) -> bool:
        for counts in found.values():
            self._candidates.update(counts[0].values)
        if len(self._candidates) > _MAX_CANDIDATES:
            self._candidates = Counter(dict(self._candidates.most_common(_LEFT)))
        return True

    def _is_told(self, window: Window) -> bool:
        return True
