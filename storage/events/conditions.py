"""What each filter means in SQL. Builds conditions, runs nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from storage.events import where_conditions
from storage.model.event import created_at_of_id
from storage.model.filters import DECLARATIONS, Filters
from storage.model.name_patterns import names_of, prefixes_of
from storage.postgres.tables import events, lower_email_of, occurred_of


def matching(filters: Filters, columns: Any = events.c) -> list[sa.ColumnElement[bool]]:
    """Return all conditions of the filters, over these columns."""
    return [*in_order(filters, columns), *row_by_row(filters, columns)]


def in_order(filters: Filters, columns: Any = events.c) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that an index answers in the order of the page."""
    return _given(filters, IN_ORDER, columns)


def row_by_row(filters: Filters, columns: Any = events.c) -> list[sa.ColumnElement[bool]]:
    """Return the other conditions, over these columns of the events or of a subquery."""
    return _given(filters, ROW_BY_ROW, columns)


def is_searched(filters: Filters) -> bool:
    """Return whether an index finds rows by what is inside them, but in no order."""
    given = filters.message or filters.data or filters.occurred_from or filters.occurred_to
    return bool(given) or where_conditions.is_indexed(filters.where)


def _is_any(column: sa.ColumnElement[str], values: Sequence[str]) -> sa.ColumnElement[bool]:
    """Compare one value by `=`, so that an index on (column, time) also gives the order."""
    return column == values[0] if len(values) == 1 else column.in_(values)


def _is_within(column: sa.ColumnElement[str], patterns: Sequence[str]) -> sa.ColumnElement[bool]:
    """Compare names by `=`, and prefixes by a function for which an index gives a range."""
    prefixed = [sa.func.starts_with(column, prefix) for prefix in prefixes_of(patterns)]
    names = names_of(patterns)
    return sa.or_(_is_any(column, names), *prefixed) if names else sa.or_(*prefixed)


def _is_behind(filters: Filters, columns: Any) -> sa.ColumnElement[bool]:
    """Compare the row's key; also bound the time, which lets the planner skip partitions."""
    assert filters.cursor is not None
    at = created_at_of_id(filters.cursor)
    key, last = sa.tuple_(columns.created_at, columns.id), sa.tuple_(at, filters.cursor)
    if filters.order == "asc":
        return sa.and_(key > last, columns.created_at >= at)
    return sa.and_(key < last, columns.created_at <= at)


# The SQL of a filter that is given, over these columns, by its field in `Filters`.
Sql = Callable[[Filters, Any], sa.ColumnElement[bool]]

# An index gives the rows of these in the order of a page.
IN_ORDER: Mapping[str, Sql] = {
    "component": lambda filters, of: _is_any(of.component, filters.component),
    "environment": lambda filters, of: _is_any(of.environment, filters.environment),
    "email": lambda filters, of: _is_any(lower_email_of(of), filters.email),
    "within_component": lambda filters, of: _is_within(of.component, filters.within_component),
    "within_environment": lambda filters, of: _is_within(
        of.environment, filters.within_environment
    ),
    "start": lambda filters, of: of.created_at >= filters.start,
    "end": lambda filters, of: of.created_at < filters.end,
    "cursor": _is_behind,
    "where": lambda filters, of: where_conditions.in_order(filters.where, of),
}
# No index does: each row is looked at, or an index finds them in no order.
ROW_BY_ROW: Mapping[str, Sql] = {
    "not_component": lambda filters, of: of.component.not_in(filters.not_component),
    "not_environment": lambda filters, of: of.environment.not_in(filters.not_environment),
    "occurred_from": lambda filters, of: occurred_of(of) >= filters.occurred_from,
    "occurred_to": lambda filters, of: occurred_of(of) < filters.occurred_to,
    "data": lambda filters, of: sa.and_(
        *(where_conditions.contains_json(of.data, group) for group in filters.data)
    ),
    "message": lambda filters, of: sa.or_(
        *(where_conditions.contains_text(of.message, part) for part in filters.message)
    ),
    "where": lambda filters, of: where_conditions.row_by_row(filters.where, of),
}

_NO_CONDITIONS = {"limit", "order"}
if without_sql := DECLARATIONS.keys() - IN_ORDER.keys() - ROW_BY_ROW.keys() - _NO_CONDITIONS:
    raise NotImplementedError(f"declared, but without SQL: {without_sql}")


def _given(filters: Filters, sql: Mapping[str, Sql], columns: Any) -> list[sa.ColumnElement[bool]]:
    names = (name for name in sql if getattr(filters, name) != DECLARATIONS[name].default)
    return [sql[name](filters, columns) for name in names]
