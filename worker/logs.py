"""What a worker process logs: an unreachable server in one line, without a traceback."""

import logging

from storage.logs.filters import OnceAMinute
from storage.process_logs import start_process_logs
from worker.wait_for_redis import UNREACHABLE


class UnreachableInOneLine(logging.Filter):
    """Puts the cause in place of the traceback, if the cause is an unreachable server."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the record. Returns True: no record is dropped."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, UNREACHABLE):
            record.msg, record.args = f"control does not answer: {error}", ()
            record.exc_info = None
        return True


def start(log_fd: int | None) -> None:
    """Start the log of this process. Raises SettingsError.

    What RQ's registries log is dropped: it is about lost hints, which the sweeper repeats.
    """
    start_process_logs("worker", log_fd).addFilter(UnreachableInOneLine())
    logging.getLogger("rq.registry").setLevel(logging.CRITICAL)
    logging.getLogger("rq.worker").addFilter(OnceAMinute())


def level_name() -> str:
    """Return the level of this process's log, which RQ sets for its own records."""
    return logging.getLevelName(logging.getLogger().level)
