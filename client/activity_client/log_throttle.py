"""Limit how often a message is logged."""

import time
from collections.abc import Callable


class LogThrottle:
    """Lets one message through in each interval, and counts the suppressed ones.

    For one thread at a time: a lock could be held by another thread during a fork.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._next: float | None = None
        self._suppressed = 0

    def admit(self) -> int | None:
        """Return the number suppressed since the last message, or None to suppress this one."""
        now = self._clock()
        if self._next is not None and now < self._next:
            self._suppressed += 1
            return None
        self._next = now + self._seconds
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed
