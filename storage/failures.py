"""How a failure is described to an operator, without the events that it may carry."""

import logging

import sqlalchemy.exc

from storage.errors import StorageError
from storage.logs.redaction import redact
from storage.server_errors import describe

MAX_REASON_CHARACTERS = 500


class StatementFailed(Exception):
    """Stands for an error of a statement in a log: the error's own text contains events."""


def reason(error: Exception) -> str:
    """Return one printable line that says why, without secrets.

    It never has a statement's parameters: events.
    """
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        text = describe(error)
    elif isinstance(error, StorageError):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    line = redact(" ".join(text.split()))[:MAX_REASON_CHARACTERS]
    return "".join(one if one.isprintable() else "?" for one in line)  # terminals show it


def log_failure(log: logging.Logger, level: int, what: str, error: Exception) -> None:
    """Log that `what` failed: a StorageError in one line, any other as an error with traceback."""
    if isinstance(error, StorageError):
        log.log(level, "%s: %s", what, reason(error))
    elif isinstance(error, sqlalchemy.exc.DBAPIError):
        shown = StatementFailed(reason(error))
        log.error("%s: %s", what, shown, exc_info=(type(shown), shown, error.__traceback__))
    else:
        log.error("%s: %s", what, reason(error), exc_info=error)
