"""Compute the delay before the next retry. Pure, except for randomness."""

import random
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

FIRST_SECONDS = 0.2
MAX_RETRY_AFTER = 600.0


class Backoff:
    """Exponential backoff with full jitter: the bound doubles with each retry.

    The jitter is added to `Retry-After`, so that clients that were told the same delay do not
    return at the same moment.
    """

    def __init__(self, longest: float, draw: Callable[[], float] = random.random) -> None:
        self._longest = longest
        self._draw = draw
        self._bound = min(FIRST_SECONDS, longest)

    def next(self, at_least: float = 0.0) -> float:
        """Return the seconds to wait now."""
        seconds = at_least + self._draw() * self._bound
        self._bound = min(self._bound * 2, self._longest)
        return seconds


def retry_after(header: str | None, now: datetime | None = None) -> float:
    """Return the seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3).

    The header holds a number or a date. Return 0 if it is missing or malformed, and at most
    MAX_RETRY_AFTER.
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
