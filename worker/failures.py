"""Why a drain ended early: said on stderr and recorded with its shard."""

import logging
import time
import traceback
from collections.abc import Callable

import sqlalchemy.exc

from storage.errors import StorageError, first_line, sqlstate

REPEAT_SECONDS = 60.0
REASON_CHARACTERS = 500
_REASONS = 100  # remembered at once

log = logging.getLogger(__name__)


class FailureLog:
    """Logs each failure of a shard once a minute at most; an unforeseen one with its traceback."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[tuple[int, str], float] = {}

    def tell(self, shard: int, error: Exception) -> None:
        """A drain of the shard has ended with this error."""
        said, now = (shard, reason(error)), self._clock()
        if now - self._said.get(said, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return
        if len(self._said) >= _REASONS:
            self._said.clear()
        self._said[said] = now
        if isinstance(error, StorageError):
            log.error("shard %d waits: %s", *said)
        elif isinstance(error, sqlalchemy.exc.DBAPIError):  # its full text has rows, of events
            log.error("shard %d waits: %s\n%s", *said, _frames(error))
        else:
            log.error("shard %d waits: %s", *said, exc_info=error)


def _frames(error: Exception) -> str:
    return "".join(traceback.format_tb(error.__traceback__)).rstrip()


def reason(error: Exception) -> str:
    """One line for an operator. Never a statement's parameters, which are events."""
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        text = f"{sqlstate(error)}: {first_line(error)}"
    elif isinstance(error, StorageError):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    line = " ".join(text.split())[:REASON_CHARACTERS]
    return "".join(one if one.isprintable() else "?" for one in line)  # it is shown on terminals
