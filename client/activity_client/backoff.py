"""How long to wait before the next try. Pure, but for chance."""

import random
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

FIRST_SECONDS = 0.2
MAX_RETRY_AFTER = 600.0


class Backoff:
    """Pauses between tries: full jitter below a bound that doubles with each.

    What the service asked for by `Retry-After` is waited at least; the jitter comes on top, so
    that clients told the same do not all come back at once.
    """

    def __init__(self, longest: float, draw: Callable[[], float] = random.random) -> None:
        self._longest = longest
        self._draw = draw
        self._bound = min(FIRST_SECONDS, longest)

    def next(self, at_least: float = 0.0) -> float:
        """Seconds to wait now."""
        seconds = at_least + self._draw() * self._bound
        self._bound = min(self._bound * 2, self._longest)
        return seconds


def retry_after(header: str | None, now: datetime | None = None) -> float:
    """Seconds that a `Retry-After` asks for: a number or a date (RFC 9110, 10.2.3).

    0 without one that can be read; at most MAX_RETRY_AFTER.
    """
    if header is None:
        return 0.0
    if header.strip().isdecimal():
        seconds = float(header)
    else:
        seconds = _until(header, now or datetime.now(timezone.utc))
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _until(header: str, now: datetime) -> float:
    try:
        instant = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    return (instant.replace(tzinfo=instant.tzinfo or timezone.utc) - now).total_seconds()
