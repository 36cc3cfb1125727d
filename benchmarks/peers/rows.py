"""Count stored rows over one session, whose own CPU time is subtracted."""

import time
from types import TracebackType

import sqlalchemy as sa

from benchmarks.processes import cpu_seconds
from storage.postgres.engine import plain_engine

_POLL_SECONDS = 0.2
_STILL_SECONDS = 1.0
_GIVE_UP_SECONDS = 15.0  # longer than any peer waits before it retries an event


class Rows:
    """The rows of one table. A context manager."""

    def __init__(self, url: str, table: str) -> None:
        self._engine = plain_engine(url)
        self._count = sa.text(f"SELECT count(*) FROM {table}")

    def __enter__(self) -> "Rows":
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(sa.text("SET max_parallel_workers_per_gather = 0"))
        self._pid: int = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        self._connection = connection
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()
        self._engine.dispose()

    def count(self) -> int:
        """Return the number of rows."""
        return int(self._connection.scalar(self._count))

    def cpu_seconds(self) -> float:
        """Return the CPU seconds that counting has cost the server."""
        return cpu_seconds([self._pid])

    def wait_for(self, wanted: int) -> tuple[int, float]:
        """Wait for `count` rows, or until no more arrive; return the number and the time."""
        found, since = self.count(), time.monotonic()
        while found < wanted and time.monotonic() - since < _GIVE_UP_SECONDS:
            time.sleep(_POLL_SECONDS)
            if (now := self.count()) != found:
                found, since = now, time.monotonic()
        return found, since

    def wait_still(self) -> int:
        """Wait until no row arrives for a second; return the number."""
        found, since = self.count(), time.monotonic()
        while time.monotonic() - since < _STILL_SECONDS:
            time.sleep(_POLL_SECONDS)
            if (now := self.count()) != found:
                found, since = now, time.monotonic()
        return found
