"""Run `activity query` and `activity get` with their options."""

import uuid
from argparse import Namespace

import msgspec

from cli.errors import UsageError
from cli.query import exporting
from cli.query.counting import show_facets, show_statistics
from cli.query.event_table import DEFAULT, description
from cli.query.events import json_line, read_event
from cli.query.following import DEFAULT_LIMIT, follow
from cli.query.listing import MAX_TURNED, list_events
from cli.query.output import (
    Show,
    View,
    Write,
    csv_view,
    json_view,
    output,
    shows_json,
    shows_table,
    write,
)
from cli.query.patience import Patience
from cli.query.reader import Parameters, ServiceReader
from cli.query.screen import Screen, screen
from cli.query.service import chosen_service


def answer(asked: Parameters, options: Namespace) -> None:
    """List, count or follow. Raises `UsageError`, `ReadError`."""
    seen = screen()
    if not options.all and options.order is None and (options.limit or 0) > MAX_TURNED:
        raise UsageError(
            f"--limit is more than {MAX_TURNED:,}, which are shown with the newest last: give "
            "--order asc, --order desc or --all too"
        )
    reader = _reader(options, lasting=options.follow)
    if options.stats:
        show_statistics(reader, asked, seen, options)
    elif options.facets:
        show_facets(reader, asked, seen, options)
    elif options.follow:
        limit = DEFAULT_LIMIT if options.limit is None else options.limit
        follow(reader, asked, _show(seen, options), limit)
    else:
        with output(options.output) as to:
            seen = Screen() if options.output else seen
            list_events(reader, asked, _view(seen, options, to), options)


def export(asked: Parameters, options: Namespace) -> None:
    """Write what was stored since the last run. Raises what `exporting.export` raises."""
    exporting.export(_reader(options, lasting=options.follow), asked, options)


def get(options: Namespace) -> None:
    """Show one event with its receipt. Raises `UsageError`, `ReadError`."""
    try:
        event_id = uuid.UUID(options.id)
    except ValueError:
        raise UsageError(f"{options.id!r} is not an event ID (a UUID)") from None
    raw = msgspec.Raw(_reader(options).get(f"/events/{event_id}").body.strip())
    seen = screen()
    if not options.json:
        print(description(read_event(raw), seen))
    elif seen.is_terminal:
        shows_json(seen)([raw])
    else:
        write(json_line(raw))


def _reader(options: Namespace, lasting: bool = False) -> ServiceReader:
    return ServiceReader(chosen_service(options), Patience(options.give_up, lasting))


def _view(seen: Screen, options: Namespace, to: Write) -> View:
    if options.csv:
        return csv_view(seen, options.columns, to)
    return json_view(_show(seen, options, to))


def _show(seen: Screen, options: Namespace, to: Write = write) -> Show:
    return shows_json(seen, to) if options.json else shows_table(seen, options.columns or DEFAULT)
