"""Count the bars of one answer: its values one by one, or some by name where they are too many."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from storage.cache.day_cache import Days
from storage.errors import QueryTooSlow
from storage.statistics.bar_walk import BarWalk
from storage.statistics.counts import Bars
from storage.statistics.coverage import Span
from storage.statistics.marks import Mark
from storage.statistics.name_walk import NameWalk
from storage.statistics.named_values import ManyValues, NamedValues
from storage.statistics.question import Question
from storage.statistics.slices import Slices
from storage.statistics.tally import Tally
from storage.statistics.window import Window

Found = tuple[Tally, datetime]
"""The counts, and from when on all events are counted."""

_SHARE_OF_NAMES = 0.4  # of the budget, for finding the most frequent values
_SHARE_OF_KNOWN_NAMES = 0.1  # where an earlier answer has named them
_MAX_REMEMBERED = 1_000


class ManyValued:
    """Questions that were found to have too many values. Threads may share it."""

    def __init__(self) -> None:
        self._digests: set[str] = set()

    def __contains__(self, digest: str) -> bool:
        return digest in self._digests

    def add(self, digest: str) -> None:
        """Remember the question."""
        if len(self._digests) >= _MAX_REMEMBERED:
            self._digests = set()
        self._digests.add(digest)


class BarCount:
    """The count of one answer.

    `marks`: of the values that an earlier answer has named, in a longer window until `end`.
    """

    def __init__(
        self,
        question: Question,
        slices: Slices,
        window: Window,
        bars: Bars,
        end: datetime,
        marks: Sequence[Mark] = (),
    ) -> None:
        self._question = question
        self._slices = slices
        self._window = window
        self._names_window = Window(window.start, end)
        self._bars = bars
        self._marks = marks

    def hours(self, exact: Sequence[Span]) -> Found:
        """Count by hours where they are exact."""
        tally = Tally(self._marks)
        walk = BarWalk(self._question, self._slices, self._window, self._bars, tally)
        return tally, self._window.start if walk.hours(exact) else walk.since

    def days(self, days: Days, many: ManyValued) -> Found:
        """Count in the table but what is kept of days; remember whether there are many values."""
        digest = self._question.digest_of_days
        if digest not in many:
            try:
                return self._by_days(days, None, Tally(self._marks))
            except ManyValues:
                many.add(digest)
                self._slices = self._slices.anew()
        named = NamedValues.of(self._candidates(days), self._marks)
        return self._by_days(days, named, Tally(named.named, has_room=False))

    def _by_days(self, days: Days, named: NamedValues | None, tally: Tally) -> Found:
        walk = BarWalk(self._question, self._slices, self._window, self._bars, tally, named)
        return tally, self._window.start if walk.days(days) else walk.since

    def _candidates(self, days: Days) -> list[str]:
        """Return the most frequent values; none if none is found in time, then all are others."""
        of_names = days.beside(self._question.digest_of_names)
        share = _SHARE_OF_KNOWN_NAMES if self._marks else _SHARE_OF_NAMES
        walk = NameWalk(self._question, self._slices.anew(share), self._names_window)
        with suppress(QueryTooSlow):
            walk.days(of_names)
        of_names.flush()
        return walk.found()
