"""How many refused events are poison, and how many are something else. Pure but for the clock."""

import time
from collections import deque
from collections.abc import Callable

from storage.errors import RefusedShare

# A few bad rows are poison; more of them than this, in number and share, is something else.
TOLERATED_ROWS = 10
TOLERATED_SHARE = 0.1

# Batches are small where little is posted: what refuses every row is only seen over several.
WINDOW_SECONDS = 600.0
TOLERATED_WINDOW_SHARE = 0.5


def tolerated(events: int) -> int:
    """How many events of a batch of that size may be refused as poison."""
    return max(TOLERATED_ROWS, int(events * TOLERATED_SHARE))


class RefusalWindow:
    """What became of the events that one process has stored or refused in the last minutes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._batches: deque[tuple[float, int, int]] = deque()
        self._events = self._refused = 0

    def add(self, events: int, refused: int) -> None:
        """A batch was committed."""
        self._forget()
        self._batches.append((self._clock(), events, refused))
        self._events += events
        self._refused += refused

    def require_few(self, events: int, refused: int, reason: str) -> None:
        """Raises RefusedShare where, with another such batch, most of the last events were refused.

        `reason` is that of one of the refusals.
        """
        self._forget()
        all_events, all_refused = self._events + events, self._refused + refused
        most = max(TOLERATED_ROWS, int(all_events * TOLERATED_WINDOW_SHARE))
        if refused and all_refused > most:
            raise RefusedShare(
                f"over {most} of {all_events} refused within {WINDOW_SECONDS / 60:.0f} minutes, "
                f"last: {reason}"
            )

    def _forget(self) -> None:
        oldest = self._clock() - WINDOW_SECONDS
        while self._batches and self._batches[0][0] < oldest:
            _, events, refused = self._batches.popleft()
            self._events -= events
            self._refused -= refused
