"""How fast a counter grows. Pure."""

from collections import deque


class CounterRate:
    """The growth of a counter per second, over the last `window_seconds`."""

    def __init__(self, window_seconds: float, min_seconds: float = 0.001) -> None:
        """`min_seconds`: samples over a shorter time tell no rate."""
        self._window_seconds = window_seconds
        self._min_seconds = min_seconds
        self._samples: deque[tuple[float, int]] = deque()

    def observe(self, at: float, count: int) -> None:
        """Add a sample: the counter was `count` at second `at` of a monotonic clock.

        If the counter fell, the queue has lost its data: start again.
        """
        if self._samples and count < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((at, count))
        while at - self._samples[0][0] > self._window_seconds:
            self._samples.popleft()

    @property
    def per_second(self) -> float | None:
        """The rate over the window; None if it is not known yet."""
        if len(self._samples) < 2:
            return None
        (first, before), (last, after) = self._samples[0], self._samples[-1]
        if last - first < self._min_seconds:
            return None
        return (after - before) / (last - first)
