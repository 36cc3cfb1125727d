"""Write events as a table, as lines of JSON or as CSV, to standard output or to a file."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from api.query.export.csv_rows import COLUMNS, CsvRows
from cli.display_width import escaped_lines, json_escaped
from cli.query.event_table import DEFAULT, EventTable
from cli.query.events import NEWLINE, json_line
from cli.query.export_form import ROW_END, CsvForm, ExportForm, JsonForm
from cli.query.screen import Screen
from cli.safe_files import replacing
from storage.model.event import Event

Show = Callable[[Iterable[msgspec.Raw]], None]
"""Writes events, and returns once they have left this process."""

Write = Callable[[bytes], object]


class View(NamedTuple):
    """How events are shown: those of a page, and the rows of an export in this form."""

    show: Show
    form: ExportForm
    show_rows: Callable[[list[bytes]], None]


def shows_table(screen: Screen, columns: Sequence[str] = DEFAULT) -> Show:
    """Return what shows events to people."""
    table = EventTable(screen, columns)

    def show(events: Iterable[msgspec.Raw]) -> None:
        for line in table.lines(events):
            print(line)
        sys.stdout.flush()

    return show


def write(content: bytes) -> None:
    """Write bytes to standard output, and flush them. Raises `BrokenPipeError`."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def shows_json(screen: Screen, to: Write = write) -> Show:
    """Return what writes each event as one line of JSON, as it came."""

    def show(events: Iterable[msgspec.Raw]) -> None:
        lines = map(json_line, events)
        to(b"".join(map(_safe, lines) if screen.is_terminal else lines))

    return show


def json_view(show: Show) -> View:
    """Return the view that shows events of JSON."""
    return View(show, JsonForm(), lambda rows: show(map(msgspec.Raw, rows)))


def csv_view(screen: Screen, columns: Sequence[str] | None, to: Write) -> View:
    """Return the view as CSV; a row with the names of the columns comes first.

    `columns`: None for those that the service chooses.
    """
    writer = CsvRows(columns or COLUMNS)
    head = [writer.header()]

    def put(text: str) -> None:
        to((escaped_lines(text.replace("\r\n", "\n")) if screen.is_terminal else text).encode())

    def show(events: Iterable[msgspec.Raw]) -> None:
        put((head.pop() if head else "") + writer.rows(map(_read_event, events)))

    def show_rows(rows: list[bytes]) -> None:
        put(b"".join(row + ROW_END for row in rows).decode())

    return View(show, CsvForm(columns), show_rows)


@contextmanager
def output(name: str | None) -> Iterator[Write]:
    """Lend what writes to standard output, or to a file that is replaced once it is whole.

    Raises `NotAFile`, `OSError`.
    """
    if name is None:
        yield write
        return
    with replacing(Path(name)) as file:
        yield file.write


def print_json(document: object, screen: Screen) -> None:
    """Print a document on one line; on a terminal it is safe to show."""
    line = msgspec.json.encode(document).decode()
    print(json_escaped(line) if screen.is_terminal else line, flush=True)


def _safe(line: bytes) -> bytes:
    return json_escaped(line.decode().removesuffix("\n")).encode() + NEWLINE


_read_event = msgspec.json.Decoder(Event).decode
