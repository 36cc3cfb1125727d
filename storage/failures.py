"""How a failure is described to an operator, without the events that it may carry."""

import logging
import traceback

import sqlalchemy.exc

from storage.errors import StorageError, describe

MAX_REASON_CHARACTERS = 500


def reason(error: Exception) -> str:
    """Return one printable line that says why. It never has a statement's parameters: events."""
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        text = describe(error)
    elif isinstance(error, StorageError):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    line = " ".join(text.split())[:MAX_REASON_CHARACTERS]
    return "".join(one if one.isprintable() else "?" for one in line)  # terminals show it


def log_failure(log: logging.Logger, level: int, what: str, error: Exception) -> None:
    """Log that `what` failed: a StorageError in one line, any other as an error with traceback."""
    if isinstance(error, StorageError):
        log.log(level, "%s: %s", what, reason(error))
    elif isinstance(error, sqlalchemy.exc.DBAPIError):  # its full text contains events
        log.error("%s: %s\n%s", what, reason(error), _frames(error))
    else:
        log.error("%s: %s", what, reason(error), exc_info=error)


def _frames(error: Exception) -> str:
    return "".join(traceback.format_tb(error.__traceback__)).rstrip()
