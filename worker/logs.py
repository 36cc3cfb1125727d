"""What a worker process says on stderr: one line for a server that is away, not its traceback."""

import logging
import sys
import time

import redis.exceptions

FORMAT = "%(asctime)s worker %(levelname)s %(message)s"
_MINUTE = 60.0
_AWAY = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)


class Brief(logging.Filter):
    """Puts the cause in place of the traceback where that cause is a server that is away."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: nothing is dropped."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, _AWAY):
            record.msg, record.args = f"control does not answer: {error}", ()
            record.exc_info = None
        return True


class OnceAMinute(logging.Filter):
    """Drops what was said within the last minute: RQ says at each try that control is away."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}  # by the text before its figures: there are few

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may pass."""
        text, now = str(record.msg), time.monotonic()
        if now - self._said.get(text, -_MINUTE) < _MINUTE:
            return False
        self._said[text] = now
        return True


def set_up() -> None:
    """For the whole process. What RQ's registries report, lost hints, the sweeper mends."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Brief())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, format=FORMAT)
    logging.getLogger("rq.registry").setLevel(logging.CRITICAL)
    logging.getLogger("rq.worker").addFilter(OnceAMinute())
