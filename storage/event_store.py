"""Reading the history: pages by filter, events by id."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
import sqlalchemy as sa

from storage.database import TimeLeft, transaction
from storage.event import Event, decode_event, id_ms, time_text, to_datetime, to_ms
from storage.filters import Filters
from storage.tables import dead_letters, events, lower_email

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

Fate = Literal["stored", "dead"]


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
            return _take(_fetch(connection, page_query(filters)), filters.limit)

    def find(self, event_ids: Sequence[UUID]) -> dict[UUID, tuple[Event, Fate]]:
        """Those of these events that have left the queue. Raises DatabaseUnavailable."""
        with transaction(self._engine) as connection:
            found: dict[UUID, tuple[Event, Fate]] = {
                row.id: (decode_event(row.event), "dead")
                for row in connection.execute(find_query(dead_letters, event_ids, _LETTER))
            }
            for row in connection.execute(find_query(events, event_ids, _ROW)):
                found[row.id] = (_event(row), "stored")
        return found

    def fates(self, event_ids: Sequence[UUID]) -> dict[UUID, Fate]:
        """The same without the events themselves."""
        with transaction(self._engine) as connection:
            dead = connection.scalars(find_query(dead_letters, event_ids, [dead_letters.c.id]))
            found: dict[UUID, Fate] = dict.fromkeys(dead, "dead")
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
    """The one SELECT behind every page: keyset, never OFFSET, one row more than the limit."""
    query = sa.select(*_ROW).where(*_conditions(filters)).limit(filters.limit + 1)
    if filters.order == "asc":
        return query.order_by(events.c.created_at.asc(), events.c.id.asc())
    return query.order_by(events.c.created_at.desc(), events.c.id.desc())


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
    at = _instant(cursor)
    key = sa.tuple_(events.c.created_at, events.c.id)
    if order == "asc":
        return [key > sa.tuple_(at, cursor), events.c.created_at >= at]
    return [key < sa.tuple_(at, cursor), events.c.created_at <= at]


def _instant(event_id: UUID) -> datetime:
    """When it was made; an id that anybody can write may say a year past what datetime knows."""
    return to_datetime(min(id_ms(event_id), _LAST_MS))


def _fetch(
    connection: sa.Connection, query: sa.Select[tuple[object, ...]]
) -> Iterator[sa.Row[tuple[object, ...]]]:
    """The rows, some at a time, all of them within the limit on time."""
    time_left = TimeLeft()
    rows = connection.execute(query, execution_options={"yield_per": _FETCH})
    for part in rows.partitions():
        yield from part
        time_left.allow(connection)


def _take(rows: Iterator[sa.Row[tuple[object, ...]]], limit: int) -> Page:
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
