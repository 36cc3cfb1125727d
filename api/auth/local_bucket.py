"""The limit that one process holds alone, while control does not answer. Pure."""

import math

from storage.access.rate_limits import RateLimit


class LocalBucket:
    """A bucket of events that fills at the whole rate of a key, up to one second's events."""

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._rate = math.inf if limit.per_second is None else limit.per_second
        self._level: float = self._rate
        self._at = 0.0

    def begin(self, now: float) -> None:
        """Begin to count alone at `now`: with few events, as control may be away only shortly."""
        self._fill(now)
        if self._limit.per_second is not None:
            self._level = min(self._level, self._limit.ahead)

    def take(self, events: int, now: float) -> float:
        """Take the events and return 0; or return the seconds after which they could be taken."""
        self._fill(now)
        missing = self._limit.least(events) - self._level
        if missing > 0:
            return missing / self._rate
        self._level -= events
        return 0.0

    def _fill(self, now: float) -> None:
        if self._level < self._rate:
            self._level = min(self._rate, self._level + (now - self._at) * self._rate)
        self._at = now
