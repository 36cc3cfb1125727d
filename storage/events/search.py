"""Find pages by a message, `data` or `occurred_at`, where an index finds rows, but in no order."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from storage.events import ngrams
from storage.events.page_rows import Page, Rows, page_of, read_rows
from storage.events.queries import page_query, span_query, walk_query
from storage.model.event import LAST_MS, to_datetime, to_ms
from storage.model.filters import Filters
from storage.postgres.engine import TimeLeft
from storage.postgres.partitions import Span

# Rows walked in the hope of a page; and where the page then seems to be within reach of it, the
# second: walking this far takes as long as finding what matches in the nearest part.
WALK = 4_000
WALK_FAR = 20_000

# Where walking did not fill the page, the planner may not try it again: often it thinks that what
# matches is spread evenly, and then walks all of time for it. Left are bitmaps, sorted.
FIND = "SET LOCAL enable_indexscan = off"

# A bitmap gives all that matches or nothing. So the nearest part of time is tried first, so many
# times as long as what the walked rows spanned.
NEAR = 100


def search(connection: sa.Connection, filters: Filters, time_left: TimeLeft) -> Page:
    """Return the page: walk an index first, which finds frequent matches soon and in order."""
    page = _walk(connection, filters, WALK, time_left)
    if not page.more and len(page.events) * WALK_FAR >= filters.limit * WALK:
        page = _walk(connection, filters, WALK_FAR, time_left)
    if page.more:
        return page
    time_left.allow(connection)
    count, earliest, latest = connection.execute(span_query(filters, WALK)).one()
    if count < WALK:
        return page
    time_left.allow(connection)
    absent = ngrams.without(connection, filters.message)
    connection.exec_driver_sql(FIND)
    asked = _left(parts(filters, earliest, latest), absent)
    return page_of(_find(connection, asked, time_left), filters.limit)


def _walk(connection: sa.Connection, filters: Filters, rows: int, time_left: TimeLeft) -> Page:
    return page_of(read_rows(connection, walk_query(filters, rows), time_left), filters.limit)


def parts(filters: Filters, earliest: datetime, latest: datetime) -> Iterator[Filters]:
    """Yield the filters for the near part of time, then for the rest.

    `earliest` and `latest`: of the first WALK rows in that order that an index has.
    """
    near, far = (earliest, latest) if filters.order == "asc" else (latest, earliest)
    at, span = to_ms(near), to_ms(far) - to_ms(near)
    edge = to_datetime(min(max(at + NEAR * span, 0), LAST_MS))
    before = replace(filters, end=min(edge, filters.end or edge))
    behind = replace(filters, start=max(edge, filters.start or edge))
    yield from (before, behind) if filters.order == "asc" else (behind, before)


def _left(asked: Iterator[Filters], absent: Sequence[Span]) -> Iterator[Filters]:
    """Yield the same filters without the spans of time in which no message can match."""
    for part in asked:
        ranges = list(ngrams.ranges(part.start, part.end, absent))
        for start, end in ranges if part.order == "asc" else reversed(ranges):
            yield replace(part, start=start, end=end)


def _find(connection: sa.Connection, asked: Iterator[Filters], time_left: TimeLeft) -> Rows:
    for part in asked:
        yield from read_rows(connection, page_query(part), time_left)
