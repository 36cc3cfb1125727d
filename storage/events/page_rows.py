"""Rows of the events table, fetched through a cursor and made into a page."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from storage.model.event import Event, time_text, to_ms
from storage.model.occurred_at import occurred_text
from storage.postgres.engine import TimeLeft

PAGE_BYTES = 16 * 1024 * 1024  # a page ends early past this, so that no page is without bound
_FETCH = (
    128  # rows a round trip, of the greatest size that fits in memory easily; most pages need one
)

Rows = Generator[sa.Row[tuple[object, ...]], None, None]


@dataclass(frozen=True, slots=True)
class Page:
    """Events in the order asked for; `more` when there are others behind the last."""

    events: list[Event]
    more: bool


def read_rows(
    connection: sa.Connection, query: sa.Select[tuple[object, ...]], time_left: TimeLeft
) -> Rows:
    """Yield the rows of a query, some at a time, within the time that is left for the page."""
    time_left.allow(connection)
    with connection.execute(query, execution_options={"yield_per": _FETCH}) as rows:
        for some in rows.partitions():
            yield from some
            if len(some) == _FETCH:
                time_left.allow(connection)


def page_of(rows: Rows, limit: int) -> Page:
    """Take as many rows as fit on a page, and read no more."""
    taken: list[Event] = []
    size = 0
    with closing(rows):
        for row in rows:
            if len(taken) == limit or size > PAGE_BYTES:
                return Page(taken, more=True)
            taken.append(event_of(row))
            size += len(row.message) + len(row.data or "")
    return Page(taken, more=False)


def event_of(row: sa.Row[tuple[object, ...]]) -> Event:
    """Return the event of a row with EVENT_COLUMNS."""
    occurred = row.occurred_at
    return Event(
        id=str(row.id),
        created_at=time_text(to_ms(row.created_at)),
        component=row.component,
        environment=row.environment,
        message=row.message,
        email=row.email,
        data=msgspec.Raw((row.data or "null").encode()),
        occurred_at=msgspec.UNSET if occurred is None else occurred_text(occurred),
    )
