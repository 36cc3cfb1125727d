"""The memory that the requests of one process may hold at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.http.problems import Problem, closing


class MemoryBudget:
    """The bytes that a process may hold at once of batches, until they are accepted, and of other
    requests whose end has not come yet.

    A batch alone may hold what it needs: it has limits of its own.
    """

    def __init__(self, limit: int) -> None:
        self.limit = self.free = limit

    @contextmanager
    def reservation(self) -> Iterator["Reservation"]:
        """One request: at the end of the block it holds nothing any more."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            self.free += reservation.held


class Reservation:
    """What one request holds."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self.held = 0

    def reserve(self, count: int) -> None:
        """Raises Problem 503 when there is not so much room; then nothing is taken."""
        others = self._budget.limit - self._budget.free - self.held
        if others and count > self._budget.free:
            raise out_of_memory()
        self._budget.free -= count
        self.held += count


def out_of_memory() -> Problem:
    """503: nothing of the request was accepted."""
    return closing(
        503,
        "Other requests are being read, as many as there is room for. Nothing of this one was "
        "accepted.",
        (b"retry-after", b"1"),
    )
