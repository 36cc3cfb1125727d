"""Threads for the acts of administrators: a few at once, and a line that has an end."""

import threading
from collections.abc import Callable
from typing import TypeVar

from api.http.problems import unavailable
from api.query.bounded_threads import BoundedThreads
from storage.postgres.engine import ADMIN_CONNECTIONS

_MAX_CLIENTS = 16

T = TypeVar("T")


class AdminThreads:
    """Runs blocking work, as much at once as there are connections for it.

    Each of its calls of a server has a limit of its own. `stopping` is set once the process stops:
    work with many steps ends after the one that runs.
    """

    def __init__(self) -> None:
        self._threads = BoundedThreads(ADMIN_CONNECTIONS)
        self._clients = 0
        self.stopping = threading.Event()

    async def run(self, work: Callable[[], T]) -> T:
        """Return the result of `work`, or raise its error. Raises Problem 503 for a long line."""
        if self._clients >= _MAX_CLIENTS:
            raise unavailable("Too many administrators ask at once.")
        self._clients += 1
        try:
            return await self._threads.run(work)
        finally:
            self._clients -= 1
