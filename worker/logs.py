"""What a worker process says on stderr: one line for a server that is away, not its traceback."""

import logging
import sys

import redis.exceptions

FORMAT = "%(asctime)s worker %(levelname)s %(message)s"
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


def set_up() -> None:
    """For the whole process. What RQ's registries report, lost hints, the sweeper mends."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Brief())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, format=FORMAT)
    logging.getLogger("rq.registry").setLevel(logging.CRITICAL)
