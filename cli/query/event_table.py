"""Events as rows of a table, and one event as a list of its fields. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from cli.display_width import escaped, escaped_lines
from cli.query.events import Event, read_event
from cli.query.screen import BOLD, CYAN, DIM, GREEN, Screen
from cli.query.table import Column, Table

ABSENT = "-"


class _Field(NamedTuple):
    column: Column
    text: Callable[[Event], str]


def shown_time(instant: str | None) -> str:
    """Return an instant in UTC as people write it, without the `Z` that the heading says."""
    return ABSENT if instant is None else instant.removesuffix("Z").replace("T", " ")


def _data(event: Event) -> str:
    return bytes(event.data).decode()


FIELDS: Mapping[str, _Field] = {
    "created_at": _Field(
        Column("CREATED (UTC)", DIM, whole=True, cells=23),
        lambda event: shown_time(event.created_at),
    ),
    "component": _Field(Column("COMPONENT", CYAN, cells=12), lambda event: event.component),
    "environment": _Field(Column("ENVIRONMENT", GREEN), lambda event: event.environment),
    "email": _Field(Column("EMAIL", cells=16), lambda event: event.email or ABSENT),
    "message": _Field(Column("MESSAGE"), lambda event: event.message),
    "data": _Field(Column("DATA", DIM), _data),
    "id": _Field(Column("ID", DIM, whole=True), lambda event: event.id),
    "occurred_at": _Field(
        Column("OCCURRED (UTC)", DIM, whole=True, cells=26),
        lambda event: shown_time(event.occurred_at),
    ),
}
_DATA_PATH = "data."
_read_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_text = msgspec.json.Decoder(str).decode
DEFAULT = ("created_at", "component", "environment", "message")


class EventTable:
    """A table of events with these columns."""

    def __init__(self, screen: Screen, columns: Iterable[str] = DEFAULT) -> None:
        self._fields = [_field(name) for name in columns]
        self._table = Table([field.column for field in self._fields], screen)

    def lines(self, events: Iterable[msgspec.Raw]) -> Iterator[str]:
        """Yield a line for each event, and before the first a heading."""
        return self._table.lines([self._row(read_event(raw)) for raw in events])

    def _row(self, event: Event) -> list[str]:
        return [escaped(field.text(event)) for field in self._fields]


def _field(name: str) -> _Field:
    if not name.startswith(_DATA_PATH):
        return FIELDS[name]
    path = name.removeprefix(_DATA_PATH).split(".")
    return _Field(Column(escaped(name)), lambda event: _text_at(event.data, path))


def _text_at(data: msgspec.Raw, path: Sequence[str]) -> str:
    """Return a text without the quotes of JSON, and all else as JSON, with all its digits."""
    try:
        for key in path:
            data = _read_object(data)[key]
    except (KeyError, msgspec.ValidationError):  # there is none, or its parent is no object
        return ABSENT
    text = bytes(data).decode().strip()
    return _read_text(text) if text.startswith('"') else ABSENT if text == "null" else text


def description(event: Event, screen: Screen) -> str:
    """Return each field on a line of its own; `data` is indented, with every digit."""
    rows = [
        ("id", event.id),
        ("receipt", event.receipt or ABSENT),
        ("created_at", event.created_at),
        ("occurred_at", event.occurred_at or ABSENT),
        ("component", event.component),
        ("environment", event.environment),
        ("email", event.email or ABSENT),
        ("message", event.message),
    ]
    lines = [f"{screen.painted(f'{name:<12}', BOLD)} {escaped(text)}" for name, text in rows]
    data = escaped_lines(msgspec.json.format(bytes(event.data), indent=2).decode())
    return "\n".join([*lines, f"{screen.painted('data', BOLD):<12} {data}"])
