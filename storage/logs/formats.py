"""Write a log record as text or as JSON: one bounded, redacted line, whatever is in it."""

import json
import logging
import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from storage.logs import request_id
from storage.logs.bounds import bounded_exception, bounded_message
from storage.logs.one_line import one_line
from storage.logs.redaction import MASK, redact, reveals

Form = Literal["text", "json"]


class Format(logging.Formatter, ABC):
    """The format of the records of a process in this role. It never raises."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a line end. In text a traceback follows in lines of its own."""
        try:
            return self._line(record, _message(record), _exception(record))
        except Exception as error:  # noqa: BLE001 - an object's `__str__` may raise anything
            return self._line(record, f"a record can't be written: {type(error).__name__}", "")

    @abstractmethod
    def _line(self, record: logging.LogRecord, message: str, exception: str) -> str:
        """Return the line of a record with this redacted message and exception."""


class TextFormat(Format):
    """`TIME ROLE[PID] LEVEL MESSAGE`, then the lines of a traceback, indented."""

    def _line(self, record: logging.LogRecord, message: str, exception: str) -> str:
        request = _request_id(record)
        about = f" [request {request}]" if request else ""
        said = "".join([_plain(message), *map(_indented, exception.splitlines())])
        head = f"{_time(record)} {self._role}[{record.process}] {record.levelname}"
        return f"{head} {said}{about}" if not exception else f"{head}{about} {said}"


class CommandFormat(Format):
    """`activity: MESSAGE`, for a person who waits for a command."""

    def _line(self, record: logging.LogRecord, message: str, exception: str) -> str:
        said = "".join([_plain(message), *map(_indented, exception.splitlines())])
        return f"{self._role}: {said}"


class JsonFormat(Format):
    """One JSON object, all ASCII, with the fields of `docs/logs.md`."""

    def _line(self, record: logging.LogRecord, message: str, exception: str) -> str:
        fields: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "role": self._role,
            "pid": record.process,
            "message": message,
        }
        request = _request_id(record)
        if request:
            fields["request_id"] = request
        fields.update(_more(record))
        if exception:
            fields["exception"] = exception
        pairs = (f"{json.dumps(name)}:{_json(value)}" for name, value in fields.items())
        return f"{{{','.join(pairs)}}}"


def format_of(form: Form, role: str) -> Format:
    """Return the format of this form."""
    return JsonFormat(role) if form == "json" else TextFormat(role)


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - the arguments do not fit the message
        message = f"{record.msg} (its arguments do not fit)"
    return bounded_message(message)


def _exception(record: logging.LogRecord) -> str:
    text = record.exc_text or ""
    if not text and record.exc_info and record.exc_info[0]:
        text = "".join(traceback.format_exception(*record.exc_info))
    if record.stack_info:
        text += f"\n{record.stack_info}"
    return bounded_exception(text.strip("\n"))


def _request_id(record: logging.LogRecord) -> str:
    request = getattr(record, "request_id", None) or request_id.current()
    return str(request) if request else ""


def _more(record: logging.LogRecord) -> Mapping[str, Any]:
    """Return the fields that a record brings along: `extra={"fields": {...}}`."""
    more: Mapping[str, Any] = getattr(record, "fields", {})
    return more


def _plain(text: str) -> str:
    return redact(one_line(text))  # what is escaped may look like a secret


def _indented(line: str) -> str:
    return f"\n  {_plain(line)}"


def _json(value: object) -> str:
    """Encode the value. Where its encoded form happens to be a secret, it is left out."""
    if isinstance(value, str):
        value = redact(value).encode(errors="replace").decode()
    encoded = json.dumps(value)
    return json.dumps(MASK) if isinstance(value, str) and reveals(encoded) else encoded
