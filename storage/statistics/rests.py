"""Rests between the slices of a statistic, in which others may use the processor."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

RestAfter = Callable[[float], float]
"""Returns for how many seconds to rest after so many seconds of work."""

MAX_REST_SECONDS = 2.0
"""Of one rest: PostgreSQL ends transactions that are idle for longer (IDLE_LIMIT_MS)."""

_POLL_SECONDS = 0.1  # an answer that nobody wants any more ends so soon


def no_rest(_: float) -> float:
    """Ask for no rest."""
    return 0.0


class Rests:
    """The rests of one answer; `is_unwanted` ends them."""

    def __init__(self, rest_after: RestAfter, is_unwanted: Callable[[], bool]) -> None:
        self._rest_after = rest_after
        self._is_unwanted = is_unwanted
        self._worked = 0.0
        self.share = 1.0
        """The part of its time in which the answer may work, as far as is known."""

    @contextmanager
    def work(self) -> Iterator[None]:
        """Count the time of the block as work."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._worked += time.monotonic() - begun

    def rest(self, until: float) -> None:
        """Rest for the work since the last rest, at most until this time of `time.monotonic`."""
        worked, self._worked = self._worked, 0.0
        if not worked:
            return
        seconds = self._rest_after(worked)
        self.share = worked / (worked + seconds)
        end = min(until, time.monotonic() + min(seconds, MAX_REST_SECONDS))
        while (left := end - time.monotonic()) > 0 and not self._is_unwanted():
            time.sleep(min(left, _POLL_SECONDS))
