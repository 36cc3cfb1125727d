"""How fast the queue is being emptied, and so when there will be room again. Pure."""

from collections import deque

WINDOW_SECONDS = 15.0
MAX_SECONDS = 60  # whoever was told more would rather ask again
UNKNOWN_SECONDS = 2


class DrainRate:
    """Events stored per second, from a counter read now and then."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def observe(self, at: float, stored: int) -> None:
        """The counter stood at `stored` at second `at` of a monotonic clock.

        A counter that fell, because the queue lost its data, starts anew.
        """
        if self._samples and stored < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((at, stored))
        while at - self._samples[0][0] > WINDOW_SECONDS:
            self._samples.popleft()

    @property
    def per_second(self) -> float | None:
        """Over the last seconds; None where it is not known yet."""
        if len(self._samples) < 2:
            return None
        (first, before), (last, after) = self._samples[0], self._samples[-1]
        return (after - before) / max(last - first, 0.001)

    def seconds_for(self, events: int) -> int:
        """Whole seconds until so many more are stored, from 1 to MAX_SECONDS."""
        rate = self.per_second
        if rate is None:
            return UNKNOWN_SECONDS
        if rate <= 0:
            return MAX_SECONDS if events else UNKNOWN_SECONDS
        return max(1, min(MAX_SECONDS, -int(-events // rate)))
