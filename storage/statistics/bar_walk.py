"""Count a window in bars, from the newest event back."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from storage.statistics.counts import Bars, Count
from storage.statistics.day_walk import DayWalk, Found
from storage.statistics.hour_counts import HourSlices
from storage.statistics.named_values import MAX_FEW, ManyValues, NamedValues
from storage.statistics.quarters import QUARTERS, QuarterSlices, in_bars, is_on_quarters
from storage.statistics.question import Question
from storage.statistics.slices import Slices, Source
from storage.statistics.table_counts import TableSlices
from storage.statistics.tally import Tally
from storage.statistics.window import Window


class BarWalk(DayWalk):
    """A count of one question, which adds what it counts to a tally of bars.

    `named`: the values that are counted by name; all, unless given. Then counting raises ManyValues
    once there are too many, except by hours.
    """

    def __init__(
        self,
        question: Question,
        slices: Slices,
        window: Window,
        bars: Bars,
        tally: Tally,
        named: NamedValues | None = None,
    ) -> None:
        super().__init__(slices, window, QUARTERS, has_quarters=True, named=named)
        self._question = question
        self._bars = bars
        self._tally = tally
        self._has_bound = named is None and not question.is_of_hours

    def _hours(self, start: datetime, end: datetime) -> bool:
        return self._read(start, end, HourSlices(self._question, self._bars))

    def _table(self, start: datetime, end: datetime) -> bool:
        return self._read(start, end, TableSlices(self._question, self._bars, self._named))

    def _by_day(self, days: Sequence[datetime]) -> QuarterSlices:
        return QuarterSlices(self._question, days, self._named)

    def _add(self, days: Sequence[datetime], found: Found) -> bool:
        for day, counts in found.items():
            self._tally_up(in_bars(days[day], counts, self._bars))
        return True

    def _is_told(self, window: Window) -> bool:
        return is_on_quarters(self._bars, *window)

    def _read(self, start: datetime, end: datetime, source: Source[list[Count]]) -> bool:
        for since, counts in self._slices.read(start, end, source):
            self._tally_up(counts)
            self.since = since
            self._has_found |= bool(counts)
        return self.since <= start

    def _tally_up(self, counts: Iterable[Count]) -> None:
        self._tally.add(counts)
        if self._has_bound and self._tally.different > MAX_FEW:
            raise ManyValues
