"""The cells of a record of CSV as fields, by the columns that the header names. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cli.send.fields import Fields, put
from storage.model.json_rules import MAX_JSON_DEPTH

EXPORT = (
    *("id", "created_at", "component", "environment", "message", "email", "data"),
    "occurred_at",
)
"""The header of an export of the service, if no columns were chosen."""

_DATA = "data"
_encode = msgspec.json.Encoder().encode
_is_escaped = re.compile(r"'+[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]").match


class Columns:
    """The columns of a file of CSV.

    `from_export`: an apostrophe that the service put before a text is taken off (None: if the file
    has the header of an export).
    """

    def __init__(self, names: Sequence[str], from_export: bool | None = None) -> None:
        self.names = names
        self._unescapes = tuple(names) == EXPORT if from_export is None else from_export

    def fields(self, values: Sequence[str]) -> dict[str, msgspec.Raw]:
        """Return the fields of a record; an empty one is absent, and `data` is JSON, or text."""
        found = zip(self.names, values, strict=False)
        return {name: self._field(name, value) for name, value in found if value != ""}

    def _field(self, name: str, value: str) -> msgspec.Raw:
        if name == _DATA:
            return json_or_text(value)
        if self._unescapes and _is_escaped(value):
            value = value[1:]
        return msgspec.Raw(_encode(value))


def nested(fields: Mapping[str, msgspec.Raw]) -> Fields:
    """Put the fields `data.x` of a record of CSV into `data`."""
    event: dict[str, Any] = {}
    for name, value in fields.items():
        head, *path = name.split(".")
        if head == _DATA and path and "" not in path and len(path) < MAX_JSON_DEPTH:
            put(event, name, value)
        else:
            event[name] = value
    return {name: msgspec.Raw(_encode(value)) for name, value in event.items()}


def json_or_text(value: str) -> msgspec.Raw:
    """Return JSON as it is, and anything else as a text."""
    return json_of(value) or msgspec.Raw(_encode(value))


def json_of(value: str) -> msgspec.Raw | None:
    """Return the text as JSON with each digit as it is, in one line; None if it is not JSON."""
    text = value.encode("utf-8", "surrogatepass")
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return msgspec.Raw(text.replace(b"\r", b" ").replace(b"\n", b" "))
