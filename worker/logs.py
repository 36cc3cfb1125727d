"""What a worker process logs to stderr: an unreachable server in one line, without a traceback."""

import logging
import sys
import time

from worker.wait_for_redis import UNREACHABLE

FORMAT = "%(asctime)s worker %(levelname)s %(message)s"
_REPEAT_SECONDS = 60.0


class UnreachableInOneLine(logging.Filter):
    """Puts the cause in place of the traceback, if the cause is an unreachable server."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the record. Returns True: no record is dropped."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, UNREACHABLE):
            record.msg, record.args = f"control does not answer: {error}", ()
            record.exc_info = None
        return True


class OnceAMinute(logging.Filter):
    """Drops a message that was logged within the last minute: RQ logs each failed try."""

    def __init__(self) -> None:
        super().__init__()
        self._logged: dict[str, float] = {}  # by the text before formatting, so there are few

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log the record."""
        text, now = str(record.msg), time.monotonic()
        if now - self._logged.get(text, -_REPEAT_SECONDS) < _REPEAT_SECONDS:
            return False
        self._logged[text] = now
        return True


def set_up() -> None:
    """Set up logging for the whole process.

    What RQ's registries log is dropped: it is about lost hints, which the sweeper repeats.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(UnreachableInOneLine())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, format=FORMAT)
    logging.getLogger("rq.registry").setLevel(logging.CRITICAL)
    logging.getLogger("rq.worker").addFilter(OnceAMinute())
