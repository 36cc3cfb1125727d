"""`activity query` without a count: list the events that match."""

import sys
from argparse import Namespace

from cli.query import pages
from cli.query.export_stream import exported
from cli.query.output import View
from cli.query.reader import Parameters, ServiceReader

DEFAULT_LIMIT = 100
MAX_TURNED = 10_000  # the newest are read first and shown last, so all of them are kept


def list_events(reader: ServiceReader, asked: Parameters, view: View, options: Namespace) -> None:
    """Show the newest events, the newest last; or from the end that `--order` names; or all.

    All of them, from the oldest on, are one export: so many pages would fill the cache.
    """
    if options.all and options.order != "desc":
        _tell(_show_all(reader, asked, view), False, "")
    elif options.order is None:
        part = pages.newest(reader, asked, options.limit or DEFAULT_LIMIT)
        _show(part, view, options)
        _tell(len(part.events), part.more, "older")
    else:
        _walk(reader, asked, view, options)


def _show_all(reader: ServiceReader, asked: Parameters, view: View) -> int:
    count = 0
    for rows, events in exported(reader, asked, view.form):
        view.show_rows(rows)
        count += events
    return count


def _walk(reader: ServiceReader, asked: Parameters, view: View, options: Namespace) -> None:
    limit = None if options.all else options.limit or DEFAULT_LIMIT
    count, part = 0, pages.Part([], False)
    for part in pages.walk(reader, asked, options.order, limit):
        _show(part, view, options)
        count += len(part.events)
    _tell(count, part.more, "newer" if options.order == "asc" else "older")


def _show(part: pages.Part, view: View, options: Namespace) -> None:
    if part.events or options.csv:  # CSV has the names of its columns, also without events
        view.show(part.events)


def _tell(count: int, more: bool, which: str) -> None:
    """Say what the output does not: that it is not everything, or that there is nothing."""
    if count == 0:
        print("activity: no event matches", file=sys.stderr)
    elif more:
        text = f"activity: {which} events match too (--limit N or --all shows more)"
        print(text, file=sys.stderr)
