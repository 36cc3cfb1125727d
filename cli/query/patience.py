"""How long a command waits for a service that is away or busy."""

import sys
import time

from cli.errors import NoAnswer

DEFAULT_SECONDS = 60.0
_FOR_EVER = float("inf")


class Patience:
    """The seconds without an answer after which a command gives up.

    Without `give_up` it gives up after DEFAULT_SECONDS, and at once if nothing listens at the
    address; a command that is `lasting` never does.
    """

    def __init__(self, give_up: float | None, lasting: bool = False) -> None:
        default = _FOR_EVER if lasting else DEFAULT_SECONDS
        self._seconds = default if give_up is None else give_up
        self._tries_connecting = lasting or give_up is not None
        self.is_lasting = lasting
        self._since = time.monotonic()
        self._told: str | None = None

    def answered(self) -> None:
        """Start again after an answer."""
        self.reached()
        self._since = time.monotonic()
        self._told = None

    def reached(self) -> None:
        """From now on a connection that is refused is waited for."""
        self._tries_connecting = True

    def excuse(self, seconds: float) -> None:
        """Leave out a time in which an answer was under way, though nothing came of it."""
        self._since = min(self._since + seconds, time.monotonic())

    def pause(self, seconds: float, reason: str, unconnected: bool = False) -> None:
        """Wait before the next try. Raises `NoAnswer` if that would be too long.

        `unconnected`: no connection came about.
        """
        if unconnected and not self._tries_connecting:
            raise NoAnswer(reason)
        left = self._since + self._seconds - time.monotonic()
        if seconds > left:
            raise NoAnswer(f"gave up after {self._seconds:g} s without an answer: {reason}")
        if reason != self._told:  # once for each reason, not for each try
            print(f"activity: waiting for the service: {reason}", file=sys.stderr, flush=True)
            self._told = reason
        time.sleep(seconds)
