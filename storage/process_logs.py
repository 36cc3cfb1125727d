"""Start the log of a process as the settings say, and end a process that can't run."""

import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

from storage.logs.setup import log_uncaught, set_up
from storage.settings import LogSettings

log = logging.getLogger(__name__)


def start_logs(role: str, descriptors: Sequence[int] = ()) -> logging.Handler:
    """Log to stderr, and to the descriptors, as the settings say; return the handler.

    Raises SettingsError; until the settings are valid, warnings are logged as text.
    """
    set_up(role, descriptors=descriptors)
    settings = LogSettings()
    return set_up(role, settings.log, settings.log_level, descriptors)


def start_process_logs(role: str, log_fd: int | None) -> logging.Handler:
    """Start the log of an API or worker process, also what Python itself would print.

    `log_fd`: a file to append to as well. Raises SettingsError.
    """
    log_uncaught()
    return start_logs(role, () if log_fd is None else (log_fd,))


def end_process(error: Exception) -> NoReturn:
    """Log why the process can't run, and exit with status 1."""
    log.critical("%s", error)
    sys.exit(1)
