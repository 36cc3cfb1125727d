"""The SQL of an export: the rows between two keys, each as a line of JSON. Runs nothing.

PostgreSQL writes the lines. In Python each would take several times as long, and hold the lock that
the event loop needs.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from storage.events.conditions import matching
from storage.model.filters import Filters
from storage.postgres.tables import events

_LAST_ID = UUID(int=2**128 - 1)
_NULL: sa.ColumnElement[str] = sa.literal_column("'null'", sa.Text)


class Key(NamedTuple):
    """A place in the order of an export: the key of a row, or of none, between two rows."""

    created_at: datetime
    id: UUID

    @classmethod
    def behind(cls, instant: datetime) -> "Key":
        """Return the place behind every event of this instant."""
        return cls(instant, _LAST_ID)

    @classmethod
    def ahead(cls, instant: datetime) -> "Key":
        """Return the place ahead of every event of this instant, whose resolution is 1 ms."""
        return cls(instant - timedelta(milliseconds=1), _LAST_ID)


def edge_query(filters: Filters, after: Key | None, is_last: bool) -> sa.Select[datetime, UUID]:
    """Return the SELECT of the first or the last key in the time of the filters, behind `after`."""
    at, row_id = events.c.created_at, events.c.id
    key = (at.desc(), row_id.desc()) if is_last else (at, row_id)
    return sa.select(at, row_id).where(*_in_time(filters, after)).order_by(*key).limit(1)


def key_query(filters: Filters, after: Key, number: int) -> sa.Select[datetime]:
    """Return the SELECT of the time of the row that is so many rows behind `after`, if any is."""
    at, row_id = events.c.created_at, events.c.id
    behind = sa.select(at).where(*_in_time(filters, after)).order_by(at, row_id)
    return behind.offset(number - 1).limit(1)


def lines_query(filters: Filters, rows: int) -> sa.Select[str]:
    """Return the SELECT of at most so many lines between two keys, oldest first.

    Its parameters are those of `between`. It is built once for an export: that takes milliseconds.
    """
    at, row_id = events.c.created_at, events.c.id
    after, until = (
        [sa.bindparam(f"{name}_at", type_=at.type), sa.bindparam(f"{name}_id", type_=row_id.type)]
        for name in ("after", "until")
    )
    found = (
        sa.select(events)
        .where(*matching(filters))
        # Bounds of time let the planner skip partitions.
        .where(sa.tuple_(at, row_id) > sa.tuple_(*after), at >= after[0])
        .where(sa.tuple_(at, row_id) <= sa.tuple_(*until), at <= until[0])
        .order_by(at, row_id)
        .limit(rows)
        .subquery("page")
    )
    return sa.select(_line(found.c)).order_by(found.c.created_at, found.c.id)


def between(after: Key, until: Key) -> dict[str, object]:
    """Return the parameters of `lines_query`: behind `after`, up to `until` itself."""
    return {
        "after_at": after.created_at,
        "after_id": after.id,
        "until_at": until.created_at,
        "until_id": until.id,
    }


def _in_time(filters: Filters, after: Key | None) -> list[sa.ColumnElement[bool]]:
    at = events.c.created_at
    found = []
    if after is not None:
        found += [sa.tuple_(at, events.c.id) > sa.tuple_(*after), at >= after.created_at]
    if filters.start is not None:
        found.append(at >= filters.start)
    if filters.end is not None:
        found.append(at < filters.end)
    return found


def _line(columns: Any) -> sa.ColumnElement[str]:
    """Return the event as `encode_event` writes it. The session's time zone is UTC."""
    occurred = _joined([_as_is(',"occurred_at":"'), _time(columns.occurred_at, "US"), _as_is('"')])
    parts = [
        _as_is('{"id":"'),
        sa.cast(columns.id, sa.Text),
        _as_is('","created_at":"'),
        _time(columns.created_at, "MS"),
        _as_is('","component":'),
        _json(columns.component),
        _as_is(',"environment":'),
        _json(columns.environment),
        _as_is(',"message":'),
        _json(columns.message),
        _as_is(',"email":'),
        sa.func.coalesce(_json(columns.email), _NULL),
        _as_is(',"data":'),
        sa.func.coalesce(sa.cast(columns.data, sa.Text), _NULL),
        sa.func.coalesce(occurred, _as_is("")),
        _as_is("}"),
    ]
    return _joined(parts)


def _joined(parts: Sequence[sa.ColumnElement[str]]) -> sa.ColumnElement[str]:
    """Return the texts in a row; NULL if one is. Not by `concat`, which takes twice as long."""
    return reduce(lambda line, part: line.op("||", return_type=sa.Text())(part), parts)


def _as_is(text: str) -> sa.ColumnElement[str]:
    """Return a constant without a quote mark. As a parameter it would be sent for each page."""
    return sa.literal_column(f"'{text}'", sa.Text)


def _time(column: sa.ColumnElement[Any], fraction: str) -> sa.ColumnElement[str]:
    form = _as_is(f'YYYY-MM-DD"T"HH24:MI:SS.{fraction}"Z"')
    return sa.func.to_char(column, form, type_=sa.Text())


def _json(column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.cast(sa.func.to_json(column), sa.Text)
