"""Walk through the events that match, page by page, in the order in which they are shown.

The newest event is shown last, where the prompt is and where `--follow` goes on, as `journalctl`,
`tail` and `kubectl logs` show it.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from cli.query.events import EventPage, read_page
from cli.query.reader import Parameters, ServiceReader

Order = Literal["asc", "desc"]

MAX_PAGE = 1_000
PATH = "/events"


class Part(NamedTuple):
    """Some events; `more`: others match too."""

    events: list[msgspec.Raw]
    more: bool


def newest(reader: ServiceReader, asked: Parameters, limit: int) -> Part:
    """Return the newest events, the newest last."""
    parts = list(walk(reader, asked, "desc", limit))
    found = [event for part in parts for event in part.events]
    found.reverse()
    return Part(found, parts[-1].more if parts else False)


def walk(
    reader: ServiceReader, asked: Parameters, order: Order, limit: int | None
) -> Iterator[Part]:
    """Yield the events of each page. `limit`: how many to yield, None for all.

    Forwards there should be a limit: while new events come, the walk might never end.
    """
    left, cursor = limit, None
    while left is None or left > 0:
        size = MAX_PAGE if left is None else min(left, MAX_PAGE)
        page = _page(reader, asked, order, size, cursor)
        left = None if left is None else left - len(page.events)
        cursor = page.next_cursor
        yield Part(page.events, cursor is not None)
        if cursor is None:
            return


def _page(
    reader: ServiceReader, asked: Parameters, order: Order, size: int, cursor: str | None
) -> EventPage:
    place = [("order", order), ("limit", str(size)), *([("cursor", cursor)] if cursor else [])]
    return read_page(reader.get(PATH, [*asked, *place]).body)
