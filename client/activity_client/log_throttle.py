"""Saying the same thing not too often."""

import time
from collections.abc import Callable


class LogThrottle:
    """Lets one occasion in some seconds through, and counts those in between. For one thread at a
    time; it has no lock, which a fork could leave held."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._next: float | None = None
        self._silent = 0

    def occasion(self) -> int | None:
        """How many were kept silent since the last that was let through; None: this one too."""
        now = self._clock()
        if self._next is not None and now < self._next:
            self._silent += 1
            return None
        self._next = now + self._seconds
        silent, self._silent = self._silent, 0
        return silent
