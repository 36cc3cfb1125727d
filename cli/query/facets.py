"""Counts by value: ask again until the answer is complete or does not grow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import msgspec

from cli.display_width import escaped
from cli.quantities import counted, number
from cli.query.bars import bar, cells_beside
from cli.query.reader import Parameters, ServiceReader
from cli.query.screen import BOLD, CYAN, Screen
from cli.query.statistics import Value, Window
from cli.query.statistics_text import incomplete
from cli.query.table import Column, Table

PATH = "/events/facets"
DEFAULT_FIELDS = ("component", "environment", "email")
_TAKEN, _MAX_VALUE_CELLS = 16, 50
_INDENT = "  "
_OTHER, _MISSING = "(other values)", "(no value)"


class Facet(msgspec.Struct):
    """The values of a field. Of the keys of `data` only the newest events are looked at."""

    values: list[Value]
    missing: int
    distinct: int | None
    other: int | None = None
    newest: int | None = None


class Facets(msgspec.Struct):
    """An answer of `GET /events/facets`. A field is None if nothing could be read of it."""

    complete: bool
    covered: Window
    fields: Mapping[str, Facet | None]


_read = msgspec.json.Decoder(Facets).decode


class Answered(NamedTuple):
    """An answer, and its JSON as it came."""

    facets: Facets
    body: bytes


def growing(reader: ServiceReader, asked: Parameters) -> Iterator[Answered]:
    """Yield each answer; the last is complete, or no larger than the one before.

    The service keeps the counts of past days, so each answer goes on where the one before ended.
    """
    before = None
    while True:
        body = reader.get(PATH, asked).body
        answer = _read(body)
        yield Answered(answer, body)
        if answer.complete or (before is not None and not _grew(before, answer)):
            return
        before = answer


def _grew(before: Facets, answer: Facets) -> bool:
    """Return whether more time is covered; the texts of instants differ in length."""
    return _seconds(answer.covered) > _seconds(before.covered)


def _seconds(window: Window) -> float:
    start, end = (datetime.fromisoformat(text) for text in (window.start, window.end))
    return (end - start).total_seconds()


def facet_lines(answer: Facets, screen: Screen) -> Iterator[str]:
    """Yield a part for each field, then whether it is complete."""
    separator = ""
    for name, facet in answer.fields.items():
        yield f"{separator}{screen.painted(escaped(name), BOLD)}{_about(facet)}"
        yield from () if facet is None else _values(facet, screen)
        separator = "\n"
    if not answer.complete:
        yield incomplete(answer.covered.start, answer.covered.end)


def _about(facet: Facet | None) -> str:
    if facet is None:
        return ": unknown; nothing could be read in time"
    if facet.newest is not None:
        return f": keys of `data` in the newest {counted(facet.newest, 'event')}"
    return f": {counted(facet.distinct, 'value')}" if facet.distinct is not None else ""


def _values(facet: Facet, screen: Screen) -> Iterator[str]:
    named = [(escaped(each.value), each.count) for each in facet.values]
    rest = [(_OTHER, facet.other)] if facet.other else []
    rest += [(_MISSING, facet.missing)] if facet.missing else []
    yield from _table(named, rest, screen)
    if facet.newest is not None and (more := (facet.distinct or 0) - len(facet.values)) > 0:
        yield f"{_INDENT}({counted(more, 'more key')}; --values N names up to 100)"


def _table(
    named: Sequence[tuple[str, int]], rest: Sequence[tuple[str, int]], screen: Screen
) -> Iterator[str]:
    """Return the rows without a heading: the count first, so that all counts are aligned.

    Only named values have bars: one of the rest may be far larger than each of them.
    """
    most = max((count for _, count in named), default=0)
    cells = min(cells_beside(screen.columns, _TAKEN + _MAX_VALUE_CELLS), 20)
    narrowed = None if screen.columns is None else screen.columns - len(_INDENT)
    columns = [Column("", right=True, whole=True), Column("", CYAN, whole=True), Column("")]
    shown = [(number(count), bar(count, most, cells).ljust(cells), name) for name, count in named]
    shown += [(number(count), " " * cells, name) for name, count in rest]
    lines = Table(columns, replace(screen, columns=narrowed)).lines(shown)
    next(lines)  # the heading
    return (f"{_INDENT}{line}" for line in lines)
