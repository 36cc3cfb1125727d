"""`activity query` without a count: list the events that match."""

import sys
from argparse import Namespace

from cli.query import pages
from cli.query.output import Show
from cli.query.reader import Parameters, ServiceReader

DEFAULT_LIMIT = 100
MAX_TURNED = 10_000  # the newest are read first and shown last, so all of them are kept


def list_events(reader: ServiceReader, asked: Parameters, show: Show, options: Namespace) -> None:
    """Show the newest events, the newest last; or from the end that `--order` names."""
    if options.order is None and not options.all:
        part = pages.newest(reader, asked, options.limit or DEFAULT_LIMIT)
        if part.events:
            show(part.events)
        _tell(len(part.events), part.more, "older")
        return
    limit = None if options.all else options.limit or DEFAULT_LIMIT
    count, part = 0, pages.Part([], False)
    for part in pages.walk(reader, asked, options.order or "asc", limit):
        if part.events:
            show(part.events)
        count += len(part.events)
    _tell(count, part.more, "newer" if options.order == "asc" else "older")


def _tell(count: int, more: bool, which: str) -> None:
    """Say what the output does not: that it is not everything, or that there is nothing."""
    if count == 0:
        print("activity: no event matches", file=sys.stderr)
    elif more:
        text = f"activity: {which} events match too (--limit N or --all shows more)"
        print(text, file=sys.stderr)
