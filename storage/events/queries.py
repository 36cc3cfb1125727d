"""The SELECTs of the history: pages by filter, events by id. Builds SQL, runs nothing."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from storage.events.conditions import in_order, matching, row_by_row
from storage.model.event import created_at_of_id
from storage.model.filters import Filters
from storage.postgres.tables import dead_letters, events

EVENT_COLUMNS = (
    events.c.id,
    events.c.created_at,
    events.c.component,
    events.c.environment,
    events.c.message,
    events.c.email,
    sa.cast(events.c.data, sa.Text).label("data"),
    events.c.occurred_at,
)
_STORED = [column for column in events.c if column is not events.c.feed]
LETTER_COLUMNS = (dead_letters.c.id, dead_letters.c.event)


def page_query(filters: Filters) -> sa.Select[tuple[object, ...]]:
    """Return the SELECT of a page: by keyset, never OFFSET, with one row more than the limit."""
    rows = sa.select(*_STORED).where(*matching(filters))
    return _shown(_first(rows, events, filters, filters.limit + 1), filters)


def walk_query(filters: Filters, rows: int) -> sa.Select[tuple[object, ...]]:
    """Return the SELECT of a page among the first `rows` rows of an index in the page's order.

    The result is the page if it is full, or if there are no more rows.
    """
    walked = _first(sa.select(*_STORED).where(*in_order(filters)), events, filters, rows).subquery()
    found = sa.select(walked).where(*row_by_row(filters, walked.c))
    return _shown(_first(found, walked, filters, filters.limit + 1), filters)


def span_query(filters: Filters, rows: int) -> sa.Select[int, Any, Any]:
    """Count the rows that `walk_query` reads, with the times of the earliest and the latest."""
    narrow = sa.select(events.c.created_at, events.c.id).where(*in_order(filters))
    walked = _first(narrow, events, filters, rows).subquery()
    at = walked.c.created_at
    return sa.select(sa.func.count(at), sa.func.min(at), sa.func.max(at))


def _first(
    query: sa.Select[Any], source: sa.FromClause, filters: Filters, count: int
) -> sa.Select[Any]:
    return query.order_by(*_key(source, filters.order)).limit(count)


def _shown(rows: sa.Select[Any], filters: Filters) -> sa.Select[tuple[object, ...]]:
    """Select the events' columns. Cast `data` to text only here, after the sort and the limit."""
    page = rows.subquery("page")
    shown = [page.c[column.name] for column in _STORED if column.name != "data"]
    data = sa.cast(page.c.data, sa.Text).label("data")
    return sa.select(*shown, data).order_by(*_key(page, filters.order))


def _key(source: sa.FromClause, order: str) -> list[sa.ColumnElement[Any]]:
    key = (source.c.created_at, source.c.id)
    return [column.asc() if order == "asc" else column.desc() for column in key]


# The bounds let the planner skip partitions.
_OF_SPAN = """
    stored.created_at BETWEEN timestamptz 'epoch' + %(first)s * interval '1 millisecond'
        AND timestamptz 'epoch' + %(last)s * interval '1 millisecond'
"""
_ANY = "EXISTS (SELECT FROM {table} AS stored WHERE {of_span})"
ANY_OF_SPAN = "SELECT " + " OR ".join(
    _ANY.format(table=table, of_span=_OF_SPAN) for table in ("events", "dead_letters")
)

# Both arrays come as texts: the driver takes 5 us for each instant and each id, and an import asks
# for thousands.
_KNOWN = """
    SELECT stored.id
    FROM wanted
    JOIN {table} AS stored ON stored.id = wanted.id AND stored.created_at = wanted.created_at
    WHERE {of_span}
"""

_WANTED = """
    WITH wanted AS MATERIALIZED (
        SELECT timestamptz 'epoch' + ms * interval '1 millisecond' AS created_at, id
        FROM unnest(CAST(%(times)s AS bigint[]), CAST(%(ids)s AS uuid[])) AS asked (ms, id)
    )
"""
KNOWN_IDS = _WANTED + " UNION ALL ".join(
    _KNOWN.format(table=table, of_span=_OF_SPAN) for table in ("events", "dead_letters")
)


def find_query(
    table: sa.Table, event_ids: Sequence[UUID], columns: Sequence[sa.ColumnElement[Any]]
) -> sa.Select[tuple[Any, ...]]:
    """Return the SELECT for some events: each id tells its partition and its position there.

    The bounds on time let the planner skip the other partitions.
    """
    instants = [created_at_of_id(one) for one in event_ids]
    unnested = sa.func.unnest(
        sa.cast(instants, sa.ARRAY(table.c.created_at.type)),
        sa.cast(event_ids, sa.ARRAY(table.c.id.type)),
    )
    wanted = unnested.table_valued("created_at", "id", name="wanted").render_derived()
    same = sa.and_(table.c.created_at == wanted.c.created_at, table.c.id == wanted.c.id)
    within = table.c.created_at.between(min(instants), max(instants))
    return sa.select(*columns).select_from(wanted.join(table, same)).where(within)
