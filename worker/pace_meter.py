"""How fast this process stores while it is busy. Pure."""

import math

from storage.queue.pace import Pace

_MEMORY_SECONDS = 30.0  # of work; what was measured before counts less and less
_MIN_SECONDS = 1.0  # of work with large batches; less than this is not enough to measure
_MIN_SMALL_SECONDS = 0.2  # of work with any batches, for a lower bound


class PaceMeter:
    """Events stored per second of work, which all drains of a process share.

    Small batches cost more per event than large ones. If a worker is busy all the time, its batches
    are large. So small batches count only until large ones have been measured.
    """

    def __init__(self) -> None:
        self._large = _Average(_MIN_SECONDS)
        self._all = _Average(_MIN_SMALL_SECONDS)
        self._warm = False

    def add(self, events: int, seconds: float, small: bool) -> None:
        """Add a batch: from the start of its reading until it was acknowledged.

        The first one does not count: it also opens connections and sends scripts.
        """
        if not self._warm:
            self._warm = True
            return
        self._all.add(events, seconds)
        if not small:
            self._large.add(events, seconds)

    @property
    def pace(self) -> Pace | None:
        """What is known; None until enough work is measured."""
        if self._large.is_known:
            return Pace(self._large.per_second, at_least=False)
        return Pace(self._all.per_second, at_least=True) if self._all.is_known else None


class _Average:
    """A mean over the last seconds of work. It does not change while the process is idle."""

    def __init__(self, min_seconds: float) -> None:
        self._min_seconds = min_seconds
        self._events = 0.0
        self._seconds = 0.0

    def add(self, events: int, seconds: float) -> None:
        kept = math.exp(-seconds / _MEMORY_SECONDS)
        self._events = self._events * kept + events
        self._seconds = self._seconds * kept + seconds

    @property
    def is_known(self) -> bool:
        return self._seconds >= self._min_seconds

    @property
    def per_second(self) -> float:
        return self._events / self._seconds
