"""Cancel the query of a reader from another thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
import sqlalchemy as sa


class Interrupt:
    """Ends the reads of one reader. It never cancels the query of another one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._driver: Any = None
        self.is_set = False

    @contextmanager
    def watching(self, connection: sa.Connection) -> Iterator[None]:
        """Let `cancel` end what this connection runs in the block."""
        with self._lock:
            self._driver = connection.connection.driver_connection
        try:
            yield
        finally:
            with self._lock:  # waits for a cancellation that is under way
                self._driver = None

    def cancel(self) -> None:
        """Ask the server to cancel what runs now. Blocks; raises nothing.

        A request that comes between two statements has no effect. So repeat it until the reader has
        ended.
        """
        with self._lock:
            self.is_set = True
            if self._driver is not None:
                with suppress(psycopg2.Error):
                    self._driver.cancel()
