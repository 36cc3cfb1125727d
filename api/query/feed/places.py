"""Places for readers: never more than a limit at once in a process."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.http.problems import unavailable
from storage.metrics.instruments import Gauge

MAX_READERS = 100
"""Of each kind in a process; more are refused."""

RETRY_SECONDS = 5


class Places:
    """The places of one kind of readers, counted in the gauge."""

    def __init__(self, kind: str, gauge: Gauge, most: int = MAX_READERS) -> None:
        """`kind`: what the readers are called, in an error."""
        self._kind = kind
        self._gauge = gauge
        self._most = most
        self._taken = 0

    def require_free(self) -> None:
        """Raise Problem 503 if no place is free."""
        if self._taken >= self._most:
            raise unavailable(
                f"This process serves {self._most} {self._kind} already. Try again later, with "
                "the same token: nothing is missed.",
                RETRY_SECONDS,
            )

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take a place for the block. Raises Problem 503 if none is free."""
        self.require_free()
        self._taken += 1
        self._gauge.add(1)
        try:
            yield
        finally:
            self._taken -= 1
            self._gauge.add(-1)
