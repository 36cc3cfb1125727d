"""Reading the history: pages by filter, events by id."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from storage.events import ngrams
from storage.model.entries import read_event
from storage.model.event import Event, id_ms, time_text, to_datetime, to_ms
from storage.model.filters import Filters
from storage.model.receipt import StoredState
from storage.postgres.engine import TimeLeft, transaction
from storage.postgres.partitions import Span
from storage.postgres.tables import dead_letters, events, lower_email

PAGE_BYTES = 16 * 1024 * 1024  # a page ends early past this, so that no page is without bound
_FETCH = 128  # rows a round trip, of the greatest size easily held; most pages need one
_LAST_MS = to_ms(datetime.max.replace(tzinfo=UTC))

_ROW = (
    events.c.id,
    events.c.created_at,
    events.c.component,
    events.c.environment,
    events.c.message,
    events.c.email,
    sa.cast(events.c.data, sa.Text).label("data"),
)
_LETTER = (dead_letters.c.id, dead_letters.c.event)

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


@dataclass(frozen=True, slots=True)
class Page:
    """Events in the order asked for; `more` when there are others behind the last."""

    events: list[Event]
    more: bool


class EventStore:
    """Queries of the events table, each in a transaction of its own. Threads may share it."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def page(self, filters: Filters) -> Page:
        """The page these filters ask for. Raises DatabaseUnavailable, QueryTooSlow.

        It may take several statements; all see what PostgreSQL holds at one moment, and later than
        this call.
        """
        with transaction(self._engine) as connection:
            time_left = TimeLeft()
            if filters.message or filters.data:
                return _search(connection, filters, time_left)
            return _page(_read(connection, page_query(filters), time_left), filters.limit)

    def find(self, event_ids: Sequence[UUID]) -> dict[UUID, tuple[Event, StoredState]]:
        """Those of these events that have left the queue. Raises DatabaseUnavailable.

        A dead letter that can't be read is left out: there is no event to show.
        """
        with transaction(self._engine) as connection:
            found: dict[UUID, tuple[Event, StoredState]] = {}
            for row in connection.execute(find_query(dead_letters, event_ids, _LETTER)):
                with suppress(ValueError):
                    found[row.id] = (read_event(bytes(row.event)), "dead")
            for row in connection.execute(find_query(events, event_ids, _ROW)):
                found[row.id] = (_event(row), "stored")
        return found

    def stored_states(self, event_ids: Sequence[UUID]) -> dict[UUID, StoredState]:
        """The same without the events themselves."""
        with transaction(self._engine) as connection:
            dead = connection.scalars(find_query(dead_letters, event_ids, [dead_letters.c.id]))
            found: dict[UUID, StoredState] = dict.fromkeys(dead, "dead")
            stored = connection.scalars(find_query(events, event_ids, [events.c.id]))
            found.update(dict.fromkeys(stored, "stored"))
        return found

    def ping(self) -> None:
        """Raises DatabaseUnavailable when history can't be read."""
        with transaction(self._engine) as connection:
            connection.execute(sa.select(sa.literal(1)).select_from(events).limit(0))

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def page_query(filters: Filters) -> sa.Select[tuple[object, ...]]:
    """The SELECT behind every page: keyset, never OFFSET, one row more than the limit."""
    rows = sa.select(events).where(*_narrow(filters), *_within(filters))
    return _shown(_first(rows, events, filters, filters.limit + 1), filters)


def walk_query(filters: Filters, rows: int) -> sa.Select[tuple[object, ...]]:
    """The same among the first `rows` only that any index has in the order of the page.

    Its answer is the page if it is full, or if there are no more rows.
    """
    walked = _first(sa.select(events).where(*_narrow(filters)), events, filters, rows).subquery()
    found = sa.select(walked).where(*_within(filters, walked.c))
    return _shown(_first(found, walked, filters, filters.limit + 1), filters)


def span_query(filters: Filters, rows: int) -> sa.Select[int, Any, Any]:
    """How many rows `walk_query` looks at, and the times of the earliest and the latest."""
    narrow = sa.select(events.c.created_at, events.c.id).where(*_narrow(filters))
    walked = _first(narrow, events, filters, rows).subquery()
    at = walked.c.created_at
    return sa.select(sa.func.count(at), sa.func.min(at), sa.func.max(at))


def _first(
    query: sa.Select[Any], source: sa.FromClause, filters: Filters, count: int
) -> sa.Select[Any]:
    return query.order_by(*_key(source, filters.order)).limit(count)


def _shown(rows: sa.Select[Any], filters: Filters) -> sa.Select[tuple[object, ...]]:
    """The events' columns. `data` becomes text only here, behind the limit: not before a sort."""
    page = rows.subquery("page")
    shown = [page.c[column.name] for column in events.c if column.name != "data"]
    data = sa.cast(page.c.data, sa.Text).label("data")
    return sa.select(*shown, data).order_by(*_key(page, filters.order))


def _key(source: sa.FromClause, order: str) -> list[sa.ColumnElement[Any]]:
    key = (source.c.created_at, source.c.id)
    return [column.asc() if order == "asc" else column.desc() for column in key]


def find_query(
    table: sa.Table, event_ids: Sequence[UUID], columns: Sequence[sa.ColumnElement[Any]]
) -> sa.Select[tuple[Any, ...]]:
    """The SELECT for some events: each id names its partition and its place there.

    The bounds on time are for the planner: it looks at no other partition.
    """
    instants = [_instant(one) for one in event_ids]
    unnested = sa.func.unnest(
        sa.cast(instants, sa.ARRAY(table.c.created_at.type)),
        sa.cast(event_ids, sa.ARRAY(table.c.id.type)),
    )
    wanted = unnested.table_valued("created_at", "id", name="wanted").render_derived()
    same = sa.and_(table.c.created_at == wanted.c.created_at, table.c.id == wanted.c.id)
    within = table.c.created_at.between(min(instants), max(instants))
    return sa.select(*columns).select_from(wanted.join(table, same)).where(within)


def _narrow(filters: Filters) -> list[sa.ColumnElement[bool]]:
    """The conditions that an index answers in the order of the page."""
    found = [
        *_any_of(events.c.component, filters.component),
        *_any_of(events.c.environment, filters.environment),
        *_any_of(lower_email, filters.email),
    ]
    if filters.start is not None:
        found.append(events.c.created_at >= filters.start)
    if filters.end is not None:
        found.append(events.c.created_at < filters.end)
    if filters.cursor is not None:
        found += _behind(filters.cursor, filters.order)
    return found


def _within(filters: Filters, column: Any = events.c) -> list[sa.ColumnElement[bool]]:
    """The conditions on what is inside a message or `data`."""
    found = [
        sa.or_(*(_contains(column.data, json) for json in alternatives))
        for alternatives in filters.data
    ]
    if filters.message:
        parts = (column.message.icontains(part, autoescape=True) for part in filters.message)
        found.append(sa.or_(*parts))
    return found


def _any_of(column: sa.ColumnElement[str], values: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    """One value as equality, so that an index on (column, time) also gives the order."""
    if not values:
        return []
    return [column == values[0] if len(values) == 1 else column.in_(values)]


def _contains(data: sa.ColumnElement[Any], json: str) -> sa.ColumnElement[bool]:
    return data.op("@>")(sa.cast(sa.literal(json, sa.Text), events.c.data.type))


def _behind(cursor: UUID, order: str) -> list[sa.ColumnElement[bool]]:
    """The row comparison; beside it the plain bound on time, which prunes partitions."""
    at = _instant(cursor)
    key = sa.tuple_(events.c.created_at, events.c.id)
    if order == "asc":
        return [key > sa.tuple_(at, cursor), events.c.created_at >= at]
    return [key < sa.tuple_(at, cursor), events.c.created_at <= at]


def _instant(event_id: UUID) -> datetime:
    """When it was made; an id that anybody can write may say a year past what datetime knows."""
    return to_datetime(min(id_ms(event_id), _LAST_MS))


def _search(connection: sa.Connection, filters: Filters, time_left: TimeLeft) -> Page:
    """The page, by walking where that fills it: what is frequent is found soon, and sorted."""
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
    return _page(_find(connection, asked, time_left), filters.limit)


def _walk(connection: sa.Connection, filters: Filters, rows: int, time_left: TimeLeft) -> Page:
    return _page(_read(connection, walk_query(filters, rows), time_left), filters.limit)


def parts(filters: Filters, earliest: datetime, latest: datetime) -> Iterator[Filters]:
    """The same question of the near part of time, then of the rest.

    `earliest` and `latest`: of the first WALK rows in that order that an index has.
    """
    near, far = (earliest, latest) if filters.order == "asc" else (latest, earliest)
    at, span = to_ms(near), to_ms(far) - to_ms(near)
    edge = to_datetime(min(max(at + NEAR * span, 0), _LAST_MS))
    before = replace(filters, end=min(edge, filters.end or edge))
    behind = replace(filters, start=max(edge, filters.start or edge))
    yield from (before, behind) if filters.order == "asc" else (behind, before)


def _left(asked: Iterator[Filters], absent: Sequence[Span]) -> Iterator[Filters]:
    """The same questions but of the spans that hold nothing of what is asked for."""
    for part in asked:
        ranges = list(ngrams.ranges(part.start, part.end, absent))
        for start, end in ranges if part.order == "asc" else reversed(ranges):
            yield replace(part, start=start, end=end)


Rows = Generator[sa.Row[tuple[object, ...]], None, None]


def _find(connection: sa.Connection, asked: Iterator[Filters], time_left: TimeLeft) -> Rows:
    for part in asked:
        yield from _read(connection, page_query(part), time_left)


def _read(
    connection: sa.Connection, query: sa.Select[tuple[object, ...]], time_left: TimeLeft
) -> Rows:
    time_left.allow(connection)
    with connection.execute(query, execution_options={"yield_per": _FETCH}) as rows:
        for some in rows.partitions():
            yield from some
            if len(some) == _FETCH:
                time_left.allow(connection)


def _page(rows: Rows, limit: int) -> Page:
    """As many of the rows as a page takes; no more of them are read."""
    taken: list[Event] = []
    size = 0
    with closing(rows):
        for row in rows:
            if len(taken) == limit or size > PAGE_BYTES:
                return Page(taken, more=True)
            taken.append(_event(row))
            size += len(row.message) + len(row.data or "")
    return Page(taken, more=False)


def _event(row: sa.Row[tuple[object, ...]]) -> Event:
    return Event(
        id=str(row.id),
        created_at=time_text(to_ms(row.created_at)),
        component=row.component,
        environment=row.environment,
        message=row.message,
        email=row.email,
        data=msgspec.Raw((row.data or "null").encode()),
    )
