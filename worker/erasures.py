"""Erasures that were begun over HTTP, or whose process was killed, go on beside the workers."""

import sqlalchemy as sa

from storage.erasure.eraser import Eraser, Servers
from storage.erasure.runner import run_pending
from storage.periodic import STOP_SECONDS, PeriodicThread
from storage.postgres.engine import plain_engine
from storage.redis.client import connect
from storage.settings import StorageSettings

PERIOD_SECONDS = 2


class Erasures(PeriodicThread):
    """A thread that advances erasures. It is safe in every process at once: one of them works."""

    def __init__(self, engine: sa.Engine, servers: Servers) -> None:
        super().__init__("erasing persons", PERIOD_SECONDS)
        self._engine = engine
        self._servers = servers
        self._eraser = Eraser(servers)

    def stop(self, seconds: float | None = STOP_SECONDS) -> None:
        """End the thread after the current part of a step, and close the connections."""
        super().stop(seconds)
        self._servers.queue.close()
        self._servers.control.close()
        self._engine.dispose()

    def run_once(self) -> None:
        """Advance what can go on. Raises what a step raised, after all others."""
        run_pending(self._engine, self._eraser, self._stopping.is_set)


def open_erasures(storage: StorageSettings) -> Erasures:
    """Make the thread with connections of its own: to hold the lock, and to work."""
    engine = plain_engine(storage.database_url, pool=2)
    servers = Servers(
        engine, connect(storage.queue_url), connect(storage.control_url), storage.shards
    )
    return Erasures(engine, servers)
