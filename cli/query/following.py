"""`activity query --follow`: show the newest events, then each one once it is stored."""

import sys
from typing import NoReturn

from api.query.clock import Clock
from api.query.dates import start_of
from cli.query import feed, pages
from cli.query.events import event_id
from cli.query.output import Show
from cli.query.reader import Parameters, ServiceReader

DEFAULT_LIMIT = 10
_TIMES = ("from_date", "to_date", "occurred_from", "occurred_to")


def follow(reader: ServiceReader, asked: Parameters, show: Show, limit: int) -> NoReturn:
    """Show events until the process is interrupted.

    The token is older than the page, so no event is left out between them. What is stored between
    them is in both, and is shown once. An answer that is lost was not shown: it is asked for again
    from the same token. Relative dates mean what they mean now.
    """
    asked = [(name, _instant(value) if name in _TIMES else value) for name, value in asked]
    token = feed.now(reader, asked)
    events = pages.newest(reader, asked, limit).events if limit else []
    if events:
        show(events)
    elif sys.stderr.isatty():
        print("activity: waiting for the next event that matches; Ctrl-C ends", file=sys.stderr)
    shown = set(map(event_id, events))
    while True:
        changes = feed.after(reader, asked, token, wait=True)
        fresh = [event for event in changes.events if event_id(event) not in shown]
        shown.difference_update(map(event_id, changes.events))
        if fresh:
            show(fresh)
        token = changes.next


def _instant(date: str) -> str:
    """Return the instant of a date before now, such as `-24h`; any other date as it is."""
    if not date.strip().startswith(("-", "now")):
        return date
    try:
        return start_of(date, Clock()).isoformat()
    except ValueError:  # the service says what is wrong with it
        return date
