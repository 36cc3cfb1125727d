"""Why a drain ended early: logged on stderr, at most once a minute per shard and reason."""

import logging
import time
from collections.abc import Callable

from storage.failures import log_failure, reason
from storage.logs.throttle import Throttle

log = logging.getLogger(__name__)


class FailureLog:
    """Logs each failure of a shard once a minute at most."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._throttle = Throttle(clock)

    def record(self, shard: int, error: Exception) -> None:
        """Log that a drain of the shard ended with this error."""
        if self._throttle.allows((shard, reason(error))):
            log_failure(log, logging.ERROR, f"shard {shard} waits", error)
