"""Erasures that were begun over HTTP, or whose process was killed, go on beside the workers."""

from contextlib import ExitStack

from storage.erasure.eraser import Eraser, lent_servers
from storage.erasure.runner import run_pending
from storage.periodic import STOP_SECONDS, PeriodicThread
from storage.settings import StorageSettings

PERIOD_SECONDS = 2


class Erasures(PeriodicThread):
    """A thread that advances erasures. It is safe in every process at once: one of them works."""

    def __init__(self, storage: StorageSettings) -> None:
        super().__init__("erasing persons", PERIOD_SECONDS)
        self._lent = ExitStack()
        self._servers = self._lent.enter_context(lent_servers(storage, storage.shards))
        self._eraser = Eraser(self._servers)

    def stop(self, seconds: float | None = STOP_SECONDS) -> None:
        """End the thread after the current part of a step, and close the connections."""
        super().stop(seconds)
        self._lent.close()

    def run_once(self) -> None:
        """Advance what can go on. Raises what a step raised, after all others."""
        run_pending(self._servers.engine, self._eraser, self._stopping.is_set)
