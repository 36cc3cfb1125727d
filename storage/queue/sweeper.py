"""Sweeping: every process that may, repeats the wake-ups, so that a lost one heals. No leader."""

import logging
import threading

from storage.errors import StorageError
from storage.queue.scheduler import DrainScheduler

SWEEP_SECONDS = 0.25

log = logging.getLogger(__name__)


class Sweeper:
    """A thread that sweeps every quarter of a second until it is stopped."""

    def __init__(self, scheduler: DrainScheduler) -> None:
        self._scheduler = scheduler
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin to sweep."""
        self._thread.start()

    def stop(self) -> None:
        """End after the sweep under way; waits for it, at most a connection's time limit."""
        self._stop.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        away = False
        while not self._stop.wait(SWEEP_SECONDS):
            try:
                self._scheduler.sweep()
            except Exception as error:  # noqa: BLE001 - without a sweeper, wake-ups stay lost
                if not away:
                    _tell(error)
                away = True
            else:
                away = False


def _tell(error: Exception) -> None:
    if isinstance(error, StorageError):
        log.warning("sweeping pauses: %s", error)
    else:
        log.error("sweeping failed", exc_info=error)
