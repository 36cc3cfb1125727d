"""Write to standard output: events as a table or as lines of JSON."""

import sys
from collections.abc import Callable, Iterable, Sequence

import msgspec

from cli.query.display_width import json_escaped
from cli.query.event_table import DEFAULT, EventTable
from cli.query.events import NEWLINE, json_line
from cli.query.screen import Screen

Show = Callable[[Iterable[msgspec.Raw]], None]
"""Writes events, and returns once they have left this process."""


def shows_table(screen: Screen, columns: Sequence[str] = DEFAULT) -> Show:
    """Return what shows events to people."""
    table = EventTable(screen, columns)

    def show(events: Iterable[msgspec.Raw]) -> None:
        for line in table.lines(events):
            print(line)
        sys.stdout.flush()

    return show


def shows_json(screen: Screen) -> Show:
    """Return what writes each event as one line of JSON, as it came."""

    def show(events: Iterable[msgspec.Raw]) -> None:
        lines = map(json_line, events)
        write(b"".join(map(_safe, lines) if screen.is_terminal else lines))

    return show


def write(content: bytes) -> None:
    """Write bytes to standard output, and flush them. Raises `BrokenPipeError`."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def print_json(document: object, screen: Screen) -> None:
    """Print a document on one line; on a terminal it is safe to show."""
    line = msgspec.json.encode(document).decode()
    print(json_escaped(line) if screen.is_terminal else line, flush=True)


def _safe(line: bytes) -> bytes:
    return json_escaped(line.decode().removesuffix("\n")).encode() + NEWLINE
