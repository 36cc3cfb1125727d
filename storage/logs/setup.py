"""Set up logging for the whole process, once it knows its role and its settings."""

import logging
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from storage.logs.formats import CommandFormat, Form, Format, JsonFormat, format_of
from storage.logs.output import Output

STDERR = 2
DEFAULT_LEVEL = "warning"

log = logging.getLogger(__name__)


class LineHandler(logging.Handler):
    """Writes each record to every output. It never raises, and never waits."""

    def __init__(self, outputs: Sequence[Output], record_format: Format) -> None:
        super().__init__()
        self.setFormatter(record_format)
        self._outputs = outputs

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, and then how many were lost before it."""
        with suppress(Exception):
            line = self.format(record)
            for output in self._outputs:
                if output.write(line) and output.lost:
                    self._report_lost(output)

    def handleError(self, record: logging.LogRecord) -> None:
        """Print nothing: logging would print the record as it is, with its secrets."""

    def _report_lost(self, output: Output) -> None:
        said = f"{output.lost} log records could not be written and are lost"
        record = logging.LogRecord(__name__, logging.ERROR, "", 0, said, (), None)
        if output.write(self.format(record)):
            output.forget_lost()


_handler: logging.Handler | None = None


def set_up(
    role: str, form: Form = "text", level: str = DEFAULT_LEVEL, descriptors: Sequence[int] = ()
) -> logging.Handler:
    """Log records of this level to stderr and to the `descriptors`; return the handler.

    A second call replaces what the first one has set up.
    """
    handler = LineHandler([Output(each) for each in (STDERR, *descriptors)], format_of(form, role))
    _install(handler)
    logging.getLogger().setLevel(level.upper())
    return handler


def set_up_command(name: str) -> None:
    """Log warnings to `sys.stderr` as a command says them to a person, unless logging is set up."""
    if logging.getLogger().handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(CommandFormat(name))
    handler.handleError = lambda record: None  # type: ignore[method-assign]
    _install(handler)


def is_json() -> bool:
    """Return whether this process logs JSON."""
    return _handler is not None and isinstance(_handler.formatter, JsonFormat)


def log_uncaught() -> None:
    """Log what Python would print to stderr as it is: uncaught errors and warnings."""
    logging.captureWarnings(True)
    sys.excepthook = _on_uncaught
    threading.excepthook = _on_uncaught_in_thread
    sys.unraisablehook = _on_unraisable


def _install(handler: logging.Handler) -> None:
    global _handler
    root = logging.getLogger()
    if _handler is not None:
        root.removeHandler(_handler)
    _handler = handler
    root.addHandler(handler)


def _on_uncaught(
    kind: type[BaseException], error: BaseException, frames: TracebackType | None
) -> None:
    log.critical("the process ends: an error was not caught", exc_info=(kind, error, frames))


def _on_uncaught_in_thread(of: threading.ExceptHookArgs) -> None:
    if of.exc_value is not None and not issubclass(of.exc_type, SystemExit):
        said = (of.exc_type, of.exc_value, of.exc_traceback)
        log.error("a thread ends: an error was not caught", exc_info=said)


def _on_unraisable(of: Any) -> None:
    said = (of.exc_type, of.exc_value, of.exc_traceback) if of.exc_value else None
    log.error("an error was ignored: %s", of.err_msg or "in a callback of Python", exc_info=said)
