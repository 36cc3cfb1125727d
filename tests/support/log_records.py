"""Make log records, and read what a format makes of them."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import pytest

from storage.logs import redaction
from storage.logs.formats import format_of

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


@contextmanager
def known(*secrets: str) -> Iterator[None]:
    """Let the redaction know these secrets alone."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(redaction, "_known", redaction._Known(frozenset(), None))
        redaction.learn(*secrets)
        yield


def raised(error: Exception) -> ExcInfo:
    """Raise the error and return it as logging takes it."""
    try:
        raise error
    except Exception:  # noqa: BLE001
        kind, caught, frames = sys.exc_info()
        assert kind
        assert caught
        return kind, caught, frames


def record(
    message: object, *args: object, error: Exception | None = None, **more: object
) -> logging.LogRecord:
    info = raised(error) if error else None
    made = logging.LogRecord("a.b", logging.WARNING, "", 0, message, args, info)
    made.__dict__.update(more)
    return made


def line(form: str, message: object, *args: object, error: Exception | None = None) -> str:
    """Return what an API process writes."""
    assert form in ("text", "json")
    return format_of(form, "api").format(record(message, *args, error=error))  # type: ignore[arg-type]
