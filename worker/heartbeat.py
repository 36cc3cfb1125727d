"""Keeping a lease while its drain is busy in PostgreSQL."""

import logging
import threading
from types import TracebackType

from storage.errors import LeaseLost, Unavailable
from storage.queue.lease import ShardLease

log = logging.getLogger(__name__)


class Heartbeat:
    """Renews a lease from a thread, three times a term; a paused process renews nothing."""

    def __init__(self, lease: ShardLease, lease_ms: int) -> None:
        self._lease = lease
        self._pause = lease_ms / 3000
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        failing = False
        while not self._stop.wait(self._pause):
            try:
                self._lease.renew()
            except LeaseLost:
                return  # the drain finds out at its next step
            except Unavailable:
                continue
            except Exception as error:  # without a heartbeat a slow batch would never be stored
                if not failing:
                    log.error("the lease was not renewed", exc_info=error)
                failing = True
