"""`activity query --stats` and `--facets`: count, show how far it is, and print the counts."""

import sys
from argparse import Namespace
from collections.abc import Iterable
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import msgspec

from cli.errors import NoAnswer
from cli.query import facets, statistics
from cli.query.facets import facet_lines
from cli.query.output import print_json, write
from cli.query.reader import Parameters, ServiceReader
from cli.query.screen import Screen
from cli.query.statistics import Counts
from cli.query.statistics_text import statistics_lines

_CLEAR = "\r\x1b[K"


def show_statistics(
    reader: ServiceReader, asked: Parameters, screen: Screen, options: Namespace
) -> None:
    """Print the counts over time. What is known when an answer fails is printed before the error.

    Raises `ReadError`, `BadQuestion`.
    """
    given = [("interval", options.interval), ("tz", options.tz), ("group_by", options.group_by)]
    whole = [*asked, *((name, value) for name, value in given if value is not None)]
    known: Counts | None = None
    progress = _Progress()
    try:
        for known in statistics.growing(reader, whole):
            if known.complete or options.once:
                break
            progress.show(known.covered.start)
    except NoAnswer:
        if known is not None:
            _print_statistics(known, screen, options)
        raise
    finally:
        progress.remove()
    if known is not None:
        _print_statistics(known, screen, options)


def _print_statistics(counts: Counts, screen: Screen, options: Namespace) -> None:
    if options.json:
        print_json(counts, screen)
        return
    _print(statistics_lines(counts, _zone(options.tz), screen))


def _zone(name: str | None) -> tzinfo:
    """Return the zone in which the service counted; it has refused a name that is none."""
    return UTC if name is None else ZoneInfo(name.strip())


def show_facets(
    reader: ServiceReader, asked: Parameters, screen: Screen, options: Namespace
) -> None:
    """Print the counts by value. Raises `ReadError`, `BadQuestion`."""
    fields = [("field", name) for name in options.field or facets.DEFAULT_FIELDS]
    values = [] if options.values is None else [("values", str(options.values))]
    progress = _Progress()
    try:
        for last in facets.growing(reader, [*asked, *fields, *values]):
            if last.facets.complete or options.once:
                break
            progress.show(last.facets.covered.start)
    finally:
        progress.remove()
    if not options.json:
        _print(facet_lines(last.facets, screen))
    elif screen.is_terminal:
        print_json(msgspec.Raw(last.body), screen)
    else:
        write(last.body)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()


class _Progress:
    """A line on the terminal that says how far back the counts go; nothing in a log."""

    def __init__(self) -> None:
        self._shown = False

    def show(self, covered_from: str) -> None:
        if sys.stderr.isatty():
            line = f"{_CLEAR}counting; done back to {covered_from}"
            print(line, end="", file=sys.stderr, flush=True)
            self._shown = True

    def remove(self) -> None:
        if self._shown:
            print(_CLEAR, end="", file=sys.stderr, flush=True)
