"""Convert a log record to the fields of an event. Pure.

Each field is cleaned and truncated, and all of them together have a limit in bytes of JSON, so that
no record is lost because of its content or its size.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from activity_client.bounded_json import bounded, cut_text, text_of
from activity_client.event_line import EVENT_BYTES

# The rest is for the field names, the component and the environment.
RECORD_BYTES = EVENT_BYTES - 16 * 1024
MESSAGE_BYTES = 64 * 1024
TEXT_BYTES = 64 * 1024
EXTRA_BYTES = 16 * 1024
EXTRAS = 32
NAME_CHARACTERS = 255
NO_MESSAGE = "(no message)"

_FILE_BYTES = 4 * 1024
_FIELD_BYTES = 1024
_NAME_BYTES = 255

_FIELDS = {
    "level": ("levelname", _FIELD_BYTES),
    "logger": ("name", _FIELD_BYTES),
    "file": ("pathname", _FILE_BYTES),
    "line": ("lineno", _FIELD_BYTES),
    "function": ("funcName", _FIELD_BYTES),
    "process": ("process", _FIELD_BYTES),
    "thread": ("threadName", _FIELD_BYTES),
}
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_format_exception = logging.Formatter().formatException


def event_data(record: logging.LogRecord, most: int = RECORD_BYTES) -> dict[str, Any]:
    """Return the `data` of an event, in at most `most` bytes.

    `extra` holds the attributes that the application added. They share the space that the other
    fields leave.
    """
    data: dict[str, Any] = {}
    for name, (attribute, bytes_) in _FIELDS.items():
        data[name], size = bounded(getattr(record, attribute, None), bytes_)
        most -= size
    logged_at = event_time(record)
    data["logged_at"] = None if logged_at is None else logged_at.isoformat()
    stack = getattr(record, "stack_info", None)
    for name, text in (("exception", exception_text(record)), ("stack", stack)):
        if text is not None and (text := text_of(text)):
            data[name], size = bounded(text, min(TEXT_BYTES, most))
            most -= size
    if extra := _extra(record, most):
        data["extra"] = extra
    return data


def record_text(
    record: logging.LogRecord, form: Callable[[logging.LogRecord], str]
) -> tuple[str, Exception | None]:
    """Return the formatted record; if `form` fails, its message, its arguments and the error."""
    try:
        return text_of(form(record)), None
    except Exception as error:  # noqa: BLE001 - anything may be logged
        message = cut_text(record.msg, MESSAGE_BYTES)
        has_none = type(record.args) is tuple and not record.args
        return message if has_none else f"{message} {_arguments(record)}", error


def _arguments(record: logging.LogRecord) -> str:
    return str(bounded(_Arguments(record.args), MESSAGE_BYTES)[0])


class _Arguments:
    """The arguments of a record; not JSON serializable, so that `bounded` uses their repr."""

    def __init__(self, arguments: object) -> None:
        self._arguments = arguments

    def __repr__(self) -> str:
        return repr(self._arguments)


def event_message(record: logging.LogRecord, message: str) -> str:
    """Return the message; if it is blank, the last line of the exception, or NO_MESSAGE."""
    if not message.strip():
        message = exception_text(record).rstrip().rpartition("\n")[2]
    return cut_text(message, MESSAGE_BYTES) if message.strip() else NO_MESSAGE


def event_component(record: logging.LogRecord) -> str:
    """Return the name of the logger; `root` if it is blank."""
    name = cut_text(record.name, EXTRA_BYTES)
    if not name.strip():
        return "root"
    return name if len(name) <= NAME_CHARACTERS else name[: NAME_CHARACTERS - 1] + "…"


def exception_text(record: logging.LogRecord) -> str:
    """Return the traceback, or "" if there is none."""
    try:
        exc_info = getattr(record, "exc_info", None)
        if exc_info and exc_info[0] is not None:
            return text_of(_format_exception(exc_info))
        return text_of(getattr(record, "exc_text", None) or "")
    except Exception as error:  # noqa: BLE001 - the record may hold anything
        return f"the exception cannot be formatted: {type(error).__name__}"


def event_time(record: logging.LogRecord) -> datetime | None:
    """Return when the record was made; None if it does not say, or out of range."""
    try:
        return datetime.fromtimestamp(record.created, timezone.utc)
    except Exception:  # noqa: BLE001 - not a number, or out of range
        return None


def _extra(record: logging.LogRecord, most: int) -> dict[str, Any]:
    added = [(name, value) for name, value in vars(record).items() if not _is_own(name)][:EXTRAS]
    extra = {}
    for index, (name, value) in enumerate(added):
        share = min(EXTRA_BYTES, most // (len(added) - index))
        extra[cut_text(name, _NAME_BYTES)], size = bounded(value, share)
        most -= size
    return extra


def _is_own(name: object) -> bool:
    return type(name) is str and name in _OWN
