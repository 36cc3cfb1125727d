"""How many refused events count as poison, and from which share on the cause must be another.

Pure but for the clock.
"""

import time
from collections import deque
from collections.abc import Callable

from storage.errors import RefusedShare

# A few bad rows are poison; more of them than this, in number and share, have another cause.
TOLERATED_ROWS = 10
TOLERATED_SHARE = 0.1

# Where little is posted, batches are small: that every row is refused shows only over several.
WINDOW_SECONDS = 600.0
TOLERATED_WINDOW_SHARE = 0.5


def tolerated(events: int) -> int:
    """Return how many of a batch of `events` may be refused as poison."""
    return max(TOLERATED_ROWS, int(events * TOLERATED_SHARE))


class RefusalWindow:
    """Counts of the events that one process has stored or refused in the last WINDOW_SECONDS."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._batches: deque[tuple[float, int, int]] = deque()
        self._events = self._refused = 0

    def add(self, events: int, refused: int) -> None:
        """Count a batch that was committed."""
        self._forget_old()
        self._batches.append((self._clock(), events, refused))
        self._events += events
        self._refused += refused

    def require_few(self, events: int, refused: int, reason: str) -> None:
        """Check the share of refused events with the next batch included, before its commit.

        `reason` is that of one of its refusals. Raises RefusedShare if the share is too high.
        """
        self._forget_old()
        all_events, all_refused = self._events + events, self._refused + refused
        limit = max(TOLERATED_ROWS, int(all_events * TOLERATED_WINDOW_SHARE))
        if refused and all_refused > limit:
            raise RefusedShare(
                f"more than {limit} of {all_events} events were refused within "
                f"{WINDOW_SECONDS / 60:.0f} minutes, the last: {reason}"
            )

    def _forget_old(self) -> None:
        oldest = self._clock() - WINDOW_SECONDS
        while self._batches and self._batches[0][0] < oldest:
            _, events, refused = self._batches.popleft()
            self._events -= events
            self._refused -= refused
