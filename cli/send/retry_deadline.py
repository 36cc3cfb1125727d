"""How long a service that is away is waited for."""

import threading
import time

from activity_client.answers import Refused
from activity_client.errors import GaveUp
from cli.errors import KeyReused, RequestRefused


def stop_refused(seconds: float, answer: Refused) -> None:
    """Who watches can correct a wrong address better than any waiting. Raises RequestRefused."""
    kind = KeyReused if answer.key_reused else RequestRefused
    raise kind(f"refused: {answer.reason}")


class RetryDeadline:
    """The pause between two tries, for all connections. Safe for many threads.

    `give_up`: seconds without any definite answer after which GaveUp is raised; None never.
    """

    def __init__(self, give_up: float | None) -> None:
        self._give_up = give_up
        self._stopped = threading.Event()
        self._answered = time.monotonic()
        self.last_error: str | None = None
        self.retries = 0

    def pause(self, seconds: float, reason: str) -> None:
        """Wait before the next try. Raises GaveUp, at once after `stop`."""
        self.last_error = reason
        self.retries += 1
        left = self._left()
        if self._stopped.wait(seconds if left is None else max(0.0, min(seconds, left))):
            raise GaveUp(reason)
        left = self._left()
        if left is not None and left <= 0:
            raise GaveUp(f"nothing was taken for {self._give_up:g} s: {reason}")

    def answered(self) -> None:
        """The service gave a definite answer."""
        self._answered = time.monotonic()
        self.last_error = None

    def stop(self) -> None:
        """No more tries."""
        self._stopped.set()

    def _left(self) -> float | None:
        """Seconds until giving up."""
        if self._give_up is None:
            return None
        return self._answered + self._give_up - time.monotonic()
