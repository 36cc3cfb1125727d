"""From a log record to an event's parts. Pure."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

NAME_CHARACTERS = 255
MESSAGE_CHARACTERS = 16 * 1024
TEXT_CHARACTERS = 32 * 1024
EXTRA_CHARACTERS = 4 * 1024
EXTRAS = 32
NO_MESSAGE = "(no message)"

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_format_exception = logging.Formatter().formatException


def event_data(record: logging.LogRecord) -> dict[str, Any]:
    """What else there is to say of a record; `extra` holds what the application added.

    Texts are cut, so that no record is lost for its size; the service takes no NUL and no half of
    a surrogate pair.
    """
    data: dict[str, Any] = {
        "level": record.levelname,
        "logger": record.name,
        "file": record.pathname,
        "line": record.lineno,
        "function": record.funcName,
        "process": record.process,
        "thread": record.threadName,
        "logged_at": datetime.fromtimestamp(record.created, UTC).isoformat(),
    }
    if exception := exception_text(record):
        data["exception"] = clean(exception, TEXT_CHARACTERS)
    if record.stack_info:
        data["stack"] = clean(record.stack_info, TEXT_CHARACTERS)
    if extra := _extra(record):
        data["extra"] = extra
    return data


def event_message(record: logging.LogRecord, message: str) -> str:
    """The formatted message; for a blank one the exception's last line, or NO_MESSAGE."""
    if not message.strip():
        message = exception_text(record).rstrip().rpartition("\n")[2]
    return clean(message, MESSAGE_CHARACTERS) if message.strip() else NO_MESSAGE


def event_component(record: logging.LogRecord) -> str:
    """The logger's name; `root` for one whose name is blank."""
    return clean(record.name, NAME_CHARACTERS) if record.name.strip() else "root"


def exception_text(record: logging.LogRecord) -> str:
    """The traceback, or "" without one."""
    if record.exc_info and record.exc_info[0] is not None:
        return _format_exception(record.exc_info)
    return record.exc_text or ""


def clean(text: str, characters: int) -> str:
    """Without what the service refuses, and cut, with a sign that it was."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    added = [(name, value) for name, value in vars(record).items() if name not in _OWN]
    return {clean(str(name), NAME_CHARACTERS): _json_value(value) for name, value in added[:EXTRAS]}


def _json_value(value: object) -> object:
    """The value where JSON has a form for it that the service takes, else its repr."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError):
        return clean(_repr(value), EXTRA_CHARACTERS)
    if len(text) > EXTRA_CHARACTERS or r"\u0000" in text:
        return clean(_repr(value), EXTRA_CHARACTERS)
    return value


def _repr(value: object) -> str:
    try:
        return value if isinstance(value, str) else repr(value)
    except Exception as error:  # noqa: BLE001 - any object may be logged
        return f"<{type(value).__name__} without a repr: {type(error).__name__}>"
