"""Ask control how far a standby must have come to have all that readers may know of."""

import threading
import time

from storage.cache.page_cache import GRACE_MS
from storage.errors import ControlUnavailable
from storage.model.wal_position import WalPosition
from storage.redis import keys
from storage.redis.client import connect
from storage.redis.script_runner import run
from storage.server_errors import control_errors

ANSWER_SECONDS = 0.2  # then the primary reads: it needs no place
PAUSE_SECONDS = 2.0  # for which control is not asked again


class CommittedWal:
    """The place in the WAL behind each commit whose cache write has ended. Threads may share it."""

    def __init__(self, control_url: str, grace_ms: int = GRACE_MS) -> None:
        self._client = connect(control_url, ANSWER_SECONDS)
        self._grace_us = grace_ms * 1000
        self._lock = threading.Lock()
        self._asks_again = 0.0

    def position(self) -> WalPosition | None:
        """Return the place; None if it is unknown, also because control does not answer.

        Call it after anything else that must belong to the same state, and before the snapshot.
        """
        if time.monotonic() < self._asks_again:
            return None
        try:
            with control_errors():
                text = run(
                    self._client,
                    "cache/committed",
                    [keys.GENERATIONS, keys.PENDING_WRITERS],
                    [self._grace_us],
                )
        except ControlUnavailable:
            with self._lock:
                self._asks_again = time.monotonic() + PAUSE_SECONDS
            return None
        return WalPosition.of_text(text)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
