"""The SQL of counts in bars and groups, shared by those from the table and those by hour."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TIMESTAMP

from storage.statistics.named_values import NamedValues
from storage.statistics.question import Group
from storage.statistics.slices import TooMuch
from storage.statistics.value_counts import MAX_VALUE_BYTES, is_nameable

MAX_ROWS = 100_000
"""Counts that one slice may return: pairs of a bar and a value. A batch has at most as many events,
and all events of a batch may be of one millisecond."""

INSTANT = TIMESTAMP(timezone=True)
INSTANTS = sa.ARRAY(INSTANT)


class Count(NamedTuple):
    """How many events a bar has of a value. `value` None: `is_missing`, or it is too long."""

    bar: int
    value: str | None
    is_missing: bool
    number: int


class Bars:
    """The starts of bars, in order; a bar is known by its position among them."""

    def __init__(self, starts: Sequence[datetime]) -> None:
        self.starts = starts

    def position(self, instant: datetime) -> int:
        """Return the bar of an instant that is not before the first bar."""
        return bisect_right(self.starts, instant) - 1

    def between(self, start: datetime, end: datetime) -> Sequence[datetime]:
        """Return the starts that are strictly within this span."""
        return self.starts[self.position(start) + 1 : bisect_left(self.starts, end)]

    def of(
        self, instant: sa.ColumnElement[Any], start: datetime, end: datetime
    ) -> sa.ColumnElement[int]:
        """Return the SQL for the bar of an instant within this span."""
        first = self.position(start)
        inner = self.between(start, end)
        if not inner:
            return sa.literal(first)
        bounds = sa.cast(list(inner), INSTANTS)
        return sa.literal(first) + sa.func.width_bucket(instant, bounds, type_=sa.Integer)


def grouped(
    bar: sa.ColumnElement[int],
    value: sa.ColumnElement[Any] | None,
    count: sa.ColumnElement[Any],
    named: NamedValues | None = None,
) -> sa.Select[Any]:
    """Return the SELECT of each bar's count, or of each bar's values'; it lacks FROM and WHERE.

    `named`: the values that are told apart; all, unless given.
    """
    columns: list[sa.ColumnElement[Any]] = [bar.label("bar")]
    if value is not None:
        is_short = sa.func.octet_length(value) <= MAX_VALUE_BYTES
        told = named.only(value) if named else sa.case((is_short, value))
        columns += [told.label("value"), value.is_(None).label("missing")]
    positions = [sa.literal_column(str(place + 1), sa.Integer) for place in range(len(columns))]
    return sa.select(*columns, count.label("n")).group_by(*positions).limit(MAX_ROWS + 1)


def rows_of(connection: sa.Connection, query: sa.Select[Any], group: Group | None) -> list[Count]:
    """Run a query that `grouped` made. Raises TooMuch."""
    rows = connection.execute(query).all()
    if len(rows) > MAX_ROWS:
        raise TooMuch
    if group is None:
        return [Count(bar, None, False, int(count)) for bar, count in rows]
    return [Count(bar, _short(value), missing, int(count)) for bar, value, missing, count in rows]


def _short(value: str | None) -> str | None:
    """Return the value, None if it is too long to be named."""
    return value if value is not None and is_nameable(value) else None
