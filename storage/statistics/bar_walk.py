"""Count a window in bars, from the newest event back."""

from collections.abc import Sequence
from datetime import datetime

from storage.statistics.counts import Bars, Count
from storage.statistics.day_walk import DayWalk, Found
from storage.statistics.hour_counts import HourSlices
from storage.statistics.quarters import QUARTERS, QuarterSlices, in_bars, is_on_quarters
from storage.statistics.question import Question
from storage.statistics.slices import Slices, Source
from storage.statistics.table_counts import TableSlices
from storage.statistics.tally import Tally
from storage.statistics.window import Window


class BarWalk(DayWalk):
    """A count of one question, which adds what it counts to a tally of bars."""

    def __init__(
        self, question: Question, slices: Slices, window: Window, bars: Bars, tally: Tally
    ) -> None:
        super().__init__(slices, window, QUARTERS, has_quarters=True)
        self._question = question
        self._bars = bars
        self._tally = tally

    def _hours(self, start: datetime, end: datetime) -> bool:
        return self._read(start, end, HourSlices(self._question, self._bars))

    def _table(self, start: datetime, end: datetime) -> bool:
        return self._read(start, end, TableSlices(self._question, self._bars))

    def _by_day(self, days: Sequence[datetime]) -> QuarterSlices:
        return QuarterSlices(self._question, days)

    def _add(self, days: Sequence[datetime], found: Found) -> bool:
        for day, counts in found.items():
            self._tally.add(in_bars(days[day], counts, self._bars))
        return True

    def _is_told(self, window: Window) -> bool:
        return is_on_quarters(self._bars, *window)

    def _read(self, start: datetime, end: datetime, source: Source[list[Count]]) -> bool:
        for since, counts in self._slices.read(start, end, source):
            self._tally.add(counts)
            self.since = since
        return self.since <= start
