"""Let each log message pass once in a while. Pure but for the clock."""

import time
from collections.abc import Callable, Hashable

REPEAT_SECONDS = 60.0
_MAX_KEYS = 100


class Throttle:
    """Lets each key pass once in REPEAT_SECONDS. Remembers at most _MAX_KEYS keys."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._passed: dict[Hashable, float] = {}  # key -> when

    def allows(self, key: Hashable) -> bool:
        """Return whether the key may pass now, and remember that it does."""
        now = self._clock()
        if now - self._passed.get(key, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        if len(self._passed) >= _MAX_KEYS:
            self._passed.clear()
        self._passed[key] = now
        return True
