"""Write events as CSV (RFC 4180). The one place that does. Pure.

A spreadsheet takes a cell for a formula if it begins with one of `= + - @`, also as a full-width
character, with a tab or with the end of a line. Whoever posts events could so run formulas on an
analyst's machine. So such a text gets an apostrophe before it, and so does one that begins with
apostrophes and then such a character: a reader can take exactly one off (`cli.send.csv_columns`
does). All texts are in quotes, so that a semicolon in one parts no cells, whatever the spreadsheet
is told. A number of JSON is no formula, and stays as it is.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from storage.model.event import Event

COLUMNS = (
    *("id", "created_at", "component", "environment", "message", "email", "data"),
    "occurred_at",
)
DATA_PATH = "data."
MEDIA_TYPE = "text/csv"
_END = "\r\n"

_is_formula = re.compile(r"'*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]").match
_is_number = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?").fullmatch
_is_plain = re.compile(r"[A-Za-z][A-Za-z0-9_.]*").fullmatch
_read_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_text = msgspec.json.Decoder(str).decode

Cell = Callable[[Event], str]


class CsvRows:
    """Writes rows with these columns: names of an event's fields, or `data.<path>`."""

    def __init__(self, columns: Sequence[str] = COLUMNS) -> None:
        self._columns = columns
        self._cells = [_cell(column) for column in columns]

    def header(self) -> str:
        """Return the first row, which names the columns."""
        names = [name if _is_plain(name) else _text(name) for name in self._columns]
        return ",".join(names) + _END

    def rows(self, events: Iterable[Event]) -> str:
        """Return a row for each event."""
        cells = self._cells
        return "".join([",".join([cell(event) for cell in cells]) + _END for event in events])


def _cell(column: str) -> Cell:
    if column.startswith(DATA_PATH):
        path = column.removeprefix(DATA_PATH).split(".")
        return lambda event: _value(_at(event.data, path))
    return _FIELDS[column]


def _text(text: str | None) -> str:
    """Return a cell with this text; an empty one without quotes stands for none."""
    if text is None:
        return ""
    safe = "'" + text if _is_formula(text) else text
    return '"' + safe.replace('"', '""') + '"'


def _json(raw: msgspec.Raw) -> str:
    text = bytes(raw).decode()
    if text == "null":
        return ""
    return text if _is_number(text) else _text(text)


def _value(raw: msgspec.Raw | None) -> str:
    """Return a cell with the value: a string without the quotes of JSON, all else as JSON."""
    if raw is None:
        return ""
    text = bytes(raw).lstrip()
    return _text(_read_text(text)) if text.startswith(b'"') else _json(raw)


def _at(data: msgspec.Raw, path: Sequence[str]) -> msgspec.Raw | None:
    """Return the value at a path, with each digit as it is; None if there is none."""
    found = data
    for key in path:
        try:
            below = _read_object(found).get(key)
        except msgspec.ValidationError:  # not an object
            return None
        if below is None:
            return None
        found = below
    return found


def _occurred(event: Event) -> str:
    return event.occurred_at if isinstance(event.occurred_at, str) else ""


# Neither ids nor times have a character that needs quotes.
_FIELDS: Mapping[str, Cell] = {
    "id": lambda event: event.id,
    "created_at": lambda event: event.created_at,
    "component": lambda event: _text(event.component),
    "environment": lambda event: _text(event.environment),
    "message": lambda event: _text(event.message),
    "email": lambda event: _text(event.email),
    "data": lambda event: _json(event.data),
    "occurred_at": _occurred,
    "receipt": lambda event: getattr(event, "receipt"),  # noqa: B009 - of an `EventReceipt`
}
