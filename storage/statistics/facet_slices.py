"""Count the values of several fields in one pass over a slice of the table."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from storage.model.filters import Filters
from storage.postgres.tables import events
from storage.statistics.counts import MAX_ROWS, Bars
from storage.statistics.question import Group
from storage.statistics.slices import TooMuch
from storage.statistics.table_counts import OfTable, group_value, within
from storage.statistics.value_counts import MARK_CHARACTERS, MAX_VALUE_BYTES, Counts, empty

_HEX_CHARACTERS = 64  # of SHA-256


class FacetSlices(OfTable):
    """What is counted in slices of the table, by day: see `Source`."""

    def __init__(self, filters: Filters, fields: Sequence[Group], days: Bars) -> None:
        self._filters = filters
        self._fields = fields
        self._days = days

    def read(self, connection: sa.Connection, start: datetime, end: datetime) -> dict[int, Counts]:
        """Count the slice; return the counts of each day that has any. Raises TooMuch."""
        return by_day(connection, self._query(start, end), len(self._fields))

    def _query(self, start: datetime, end: datetime) -> sa.Select[Any]:
        day = self._days.of(events.c.created_at, start, end).label("day")
        values = [
            _bounded(group_value(field)).label(f"v{number}")
            for number, field in enumerate(self._fields)
        ]
        rows = sa.select(day, *values).where(*within(self._filters, start, end)).subquery()
        return grouped(rows, sa.func.count())


def grouped(rows: sa.Subquery, count: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Return the SELECT of the counts of each value; `rows` has a day, then one value a field."""
    day, *values = (column for column in rows.c if column.name != "n")
    sets = [sa.tuple_(day, value) for value in values]
    query = sa.select(day, _number_of_set(values), count, *values)
    return query.group_by(sa.func.grouping_sets(*sets)).limit(MAX_ROWS + 1)


def by_day(connection: sa.Connection, query: sa.Select[Any], fields: int) -> dict[int, Counts]:
    """Run a query that `grouped` made. Raises TooMuch."""
    rows = connection.execute(query).all()
    if len(rows) > MAX_ROWS:
        raise TooMuch
    found: dict[int, Counts] = {}
    for day, field, count, *values in rows:
        counts = found.get(day) or found.setdefault(day, empty(fields))
        counts[field].add(values[field], int(count))
    return found


def _bounded(value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return the value, or a mark in place of a long one: longer than any value, and as unique."""
    padding = "#" * (MARK_CHARACTERS - _HEX_CHARACTERS)
    digest = sa.func.encode(sa.func.sha256(sa.func.convert_to(value, "UTF8")), "hex")
    is_long = sa.func.octet_length(value) > MAX_VALUE_BYTES
    return sa.case((is_long, sa.literal(padding) + digest), else_=value)


def _number_of_set(columns: Sequence[sa.ColumnElement[Any]]) -> sa.ColumnElement[int]:
    """Return the position of the column by which a row is grouped."""
    numbered = ((sa.func.grouping(column) == 0, at) for at, column in enumerate(columns))
    return sa.case(*numbered)
