"""How fast the queue is drained, and when it will have room again. Pure."""

from collections import deque

WINDOW_SECONDS = 15.0
MAX_SECONDS = 60  # after a longer time, asking again is better than an estimate
UNKNOWN_SECONDS = 2


class DrainRate:
    """Events stored per second, from samples of a counter."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def observe(self, at: float, stored: int) -> None:
        """Add a sample: the counter was `stored` at second `at` of a monotonic clock.

        If the counter fell, the queue has lost its data: start again.
        """
        if self._samples and stored < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((at, stored))
        while at - self._samples[0][0] > WINDOW_SECONDS:
            self._samples.popleft()

    @property
    def per_second(self) -> float | None:
        """The rate over the last seconds; None if it is not known yet."""
        if len(self._samples) < 2:
            return None
        (first, before), (last, after) = self._samples[0], self._samples[-1]
        return (after - before) / max(last - first, 0.001)

    def seconds_for(self, events: int) -> int:
        """Return the whole seconds until `events` more are stored, from 1 to MAX_SECONDS."""
        rate = self.per_second
        if rate is None:
            return UNKNOWN_SECONDS
        if rate <= 0:
            return MAX_SECONDS if events else UNKNOWN_SECONDS
        return max(1, min(MAX_SECONDS, -int(-events // rate)))
