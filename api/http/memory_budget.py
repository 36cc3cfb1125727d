"""The memory that the requests of one process may keep at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.http.problems import Problem, closing

NO_ROOM_FOR_REQUESTS = "Other requests use all the memory for requests. Try again later."


class MemoryBudget:
    """A bound on the bytes that all requests of one process keep at once; `free` are left."""

    def __init__(self, limit: int) -> None:
        self.limit = self.free = limit

    @contextmanager
    def reservation(self) -> Iterator["Reservation"]:
        """Reserve memory for one request; the end of the block releases it."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            reservation.resize(0)


class Reservation:
    """The share of one request in a budget; `held` bytes now."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self.held = 0

    def reserve(self, count: int) -> None:
        """Reserve `count` bytes more. A lone request may exceed the budget: it has its own limit.

        Raises Problem 503, with no more reserved than before, if they do not fit.
        """
        others = self._budget.limit - self._budget.free - self.held
        if others and count > self._budget.free:
            raise out_of_memory()
        self._budget.free -= count
        self.held += count

    def resize(self, size: int) -> bool:
        """Reserve `size` bytes instead of `held`; reserve none if they do not fit.

        Return whether they fit.
        """
        budget = self._budget
        budget.free += self.held
        self.held = size if size <= budget.free else 0
        budget.free -= self.held
        return self.held == size


def out_of_memory() -> Problem:
    """Return the 503 for a request whose body does not fit; nothing of it was accepted."""
    detail = f"{NO_ROOM_FOR_REQUESTS} Nothing of this request was accepted."
    return closing(503, detail, (b"retry-after", b"1"))
