"""Reading the history: pages by filter, one event by id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
import sqlalchemy as sa

from storage.database import transaction
from storage.event import Event, decode_event, id_ms, time_text, to_datetime, to_ms
from storage.filters import Filters
from storage.tables import dead_letters, events, lower_email

PAGE_BYTES = 16 * 1024 * 1024  # a page ends early past this, so that no page is without bound
_FETCH = 100

_ROW = (
    events.c.id,
    events.c.created_at,
    events.c.component,
    events.c.environment,
    events.c.message,
    events.c.email,
    sa.cast(events.c.data, sa.Text).label("data"),
)


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
        """The page these filters ask for. Raises DatabaseUnavailable, QueryTooSlow."""
        with transaction(self._engine) as connection:
            rows = connection.execution_options(stream_results=True, max_row_buffer=_FETCH)
            return _take(rows.execute(page_query(filters)), filters.limit)

    def find(self, event_id: UUID) -> Event | None:
        """One stored event; its id tells its partition and place. Raises DatabaseUnavailable."""
        query = sa.select(*_ROW).where(_is(events, event_id))
        with transaction(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return _event(row) if row else None

    def find_dead(self, event_id: UUID) -> Event | None:
        """An accepted event that PostgreSQL refused. Raises DatabaseUnavailable."""
        query = sa.select(dead_letters.c.event).where(_is(dead_letters, event_id))
        with transaction(self._engine) as connection:
            body = connection.scalar(query)
        return decode_event(body) if body else None

    def ping(self) -> None:
        """Raises DatabaseUnavailable when history can't be read."""
        with transaction(self._engine) as connection:
            connection.execute(sa.select(sa.literal(1)).select_from(events).limit(0))

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def page_query(filters: Filters) -> sa.Select[tuple[object, ...]]:
    """The one SELECT behind every page: keyset, never OFFSET, one row more than the limit."""
    query = sa.select(*_ROW).where(*_conditions(filters)).limit(filters.limit + 1)
    if filters.order == "asc":
        return query.order_by(events.c.created_at.asc(), events.c.id.asc())
    return query.order_by(events.c.created_at.desc(), events.c.id.desc())


def _conditions(filters: Filters) -> list[sa.ColumnElement[bool]]:
    found = [
        *_any_of(events.c.component, filters.component),
        *_any_of(events.c.environment, filters.environment),
        *_any_of(lower_email, filters.email),
    ]
    if filters.message:
        found.append(
            sa.or_(*(events.c.message.icontains(part, autoescape=True) for part in filters.message))
        )
    for alternatives in filters.data:
        found.append(sa.or_(*(_contains(json) for json in alternatives)))
    if filters.start is not None:
        found.append(events.c.created_at >= filters.start)
    if filters.end is not None:
        found.append(events.c.created_at < filters.end)
    if filters.cursor is not None:
        found += _behind(filters.cursor, filters.order)
    return found


def _any_of(column: sa.ColumnElement[str], values: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    """One value as equality, so that an index on (column, time) also gives the order."""
    if not values:
        return []
    return [column == values[0] if len(values) == 1 else column.in_(values)]


def _contains(json: str) -> sa.ColumnElement[bool]:
    return events.c.data.op("@>")(sa.cast(sa.literal(json, sa.Text), events.c.data.type))


def _behind(cursor: UUID, order: str) -> list[sa.ColumnElement[bool]]:
    """The row comparison; beside it the plain bound on time, which prunes partitions."""
    at = to_datetime(id_ms(cursor))
    key = sa.tuple_(events.c.created_at, events.c.id)
    if order == "asc":
        return [key > sa.tuple_(at, cursor), events.c.created_at >= at]
    return [key < sa.tuple_(at, cursor), events.c.created_at <= at]


def _is(table: sa.Table, event_id: UUID) -> sa.ColumnElement[bool]:
    at: datetime = to_datetime(id_ms(event_id))
    return sa.and_(table.c.created_at == at, table.c.id == event_id)


def _take(rows: sa.CursorResult[tuple[object, ...]], limit: int) -> Page:
    taken: list[Event] = []
    size = 0
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
