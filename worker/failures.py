"""Why a drain ended early: logged on stderr, at most once a minute per shard and reason."""

import logging
import time
from collections.abc import Callable

from storage.failures import log_failure, reason

REPEAT_SECONDS = 60.0
_MAX_REASONS = 100  # remembered at once

log = logging.getLogger(__name__)


class FailureLog:
    """Logs each failure of a shard once a minute at most."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged: dict[tuple[int, str], float] = {}  # shard and reason -> when

    def record(self, shard: int, error: Exception) -> None:
        """Log that a drain of the shard ended with this error."""
        failure, now = (shard, reason(error)), self._clock()
        if now - self._logged.get(failure, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return
        if len(self._logged) >= _MAX_REASONS:
            self._logged.clear()
        self._logged[failure] = now
        log_failure(log, logging.ERROR, f"shard {shard} waits", error)
