"""Filters for records that libraries repeat."""

import logging
import time
from collections.abc import Callable

from storage.logs.throttle import Throttle


class OnceAMinute(logging.Filter):
    """Drops a message that was logged within the last minute, as of a failed try."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._throttle = Throttle(clock)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log the record."""
        return self._throttle.allows(str(record.msg))  # before formatting: there are few such texts
