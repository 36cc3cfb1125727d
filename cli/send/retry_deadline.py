"""Retry while the service does not answer, until a deadline."""

import threading
import time

from activity_client.answers import Refused
from activity_client.errors import GaveUp
from cli.errors import KeyReused, RequestRefused


def stop_refused(seconds: float, answer: Refused) -> None:
    """Raise RequestRefused: the user can correct a wrong address, a retry can't."""
    kind = KeyReused if answer.key_reused else RequestRefused
    raise kind(f"refused: {answer.reason}")


class RetryDeadline:
    """The retry deadline of all connections. Safe for many threads.

    `give_up`: seconds without a definite answer after which `pause` raises GaveUp (None: never).
    """

    def __init__(self, give_up: float | None) -> None:
        self._give_up = give_up
        self._stopped = threading.Event()
        self._answered = time.monotonic()
        self.last_error: str | None = None
        self.retries = 0

    def pause(self, seconds: float, reason: str) -> None:
        """Wait before the next try. Raises GaveUp after the deadline or `stop`."""
        self.last_error = reason
        self.retries += 1
        left = self._left()
        if self._stopped.wait(seconds if left is None else max(0.0, min(seconds, left))):
            raise GaveUp(reason)
        left = self._left()
        if left is not None and left <= 0:
            raise GaveUp(f"no event was accepted or rejected for {self._give_up:g} s: {reason}")

    def answered(self) -> None:
        """Start the deadline again after a definite answer."""
        self._answered = time.monotonic()
        self.last_error = None

    def stop(self) -> None:
        """Allow no more tries."""
        self._stopped.set()

    def _left(self) -> float | None:
        """Return the seconds until the deadline (None: no deadline)."""
        if self._give_up is None:
            return None
        return self._answered + self._give_up - time.monotonic()
