"""Count the events of a slice of time in the table, for any filters and any group."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from storage.events.conditions import matching
from storage.model.filters import Filters
from storage.postgres.tables import events, lower_email
from storage.statistics.counts import Bars, Count, grouped, rows_of
from storage.statistics.named_values import NamedValues
from storage.statistics.question import Group, Question, without_times
from storage.statistics.slices import NARROWEST

FIRST_ROWS = 4_000
"""Rows, whatever the filters, in a slice that is surely counted soon."""

Span = tuple[datetime, datetime]


def last_event(connection: sa.Connection, start: datetime, end: datetime) -> datetime | None:
    """Return when the newest event of this span was created, None if it has none."""
    found: datetime | None = connection.scalar(_newest_first(start, end).limit(1))
    return found and found.astimezone(UTC)


def _newest_first(start: datetime, end: datetime) -> sa.Select[Any]:
    at = events.c.created_at
    return sa.select(at).where(at >= start, at < end).order_by(at.desc(), events.c.id.desc())


class OfTable:
    """How wide slices of the table are, and where they start: see `Source`."""

    def width(self, connection: sa.Connection, start: datetime, end: datetime) -> timedelta:
        """Return the length of the newest part of the span that has FIRST_ROWS rows, or of all."""
        row = connection.scalar(_newest_first(start, end).offset(FIRST_ROWS - 1).limit(1))
        return end - start if row is None else max(end - row, NARROWEST)

    def start(self, instant: datetime) -> datetime:
        """Return the start of the instant's millisecond: no event is between two of them."""
        return instant - timedelta(microseconds=instant.microsecond % 1000)


class TableSlices(OfTable):
    """What is counted in slices of the table: see `Source`."""

    def __init__(self, question: Question, bars: Bars, named: NamedValues | None = None) -> None:
        self._question = question
        self._bars = bars
        self._named = named

    def read(self, connection: sa.Connection, start: datetime, end: datetime) -> list[Count]:
        """Count the slice."""
        spans = [(start, end)]
        return count_spans(connection, self._question, self._bars, spans, self._named)


def count_spans(
    connection: sa.Connection,
    question: Question,
    bars: Bars,
    spans: Sequence[Span],
    named: NamedValues | None = None,
) -> list[Count]:
    """Count what is in any of these spans, which are in order. Raises TooMuch.

    `named`: the values that are counted by name; all, unless given.
    """
    start, end = spans[0][0], spans[-1][1]
    bar = bars.of(events.c.created_at, start, end)
    value = None if question.group is None else group_value(question.group)
    query = grouped(bar, value, sa.func.count(), named).where(
        *within(question.filters, start, end), _in_any(spans)
    )
    return rows_of(connection, query, question.group)


def within(filters: Filters, start: datetime, end: datetime) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for the events of the filters that are in the span."""
    at = events.c.created_at
    return [at >= start, at < end, *matching(without_times(filters))]


def group_value(group: Group) -> sa.ColumnElement[Any]:
    """Return the SQL of the text by which an event is counted; NULL if it has none.

    An email is in lower case, as it is compared. A number in `data` has no zeros behind it, so that
    equal numbers are one value.
    """
    match group:
        case "component" | "environment":
            return events.c[group]
        case "email":
            return lower_email
    found: sa.ColumnElement[Any] = events.c.data
    for key in group:
        found = found.op("->", return_type=events.c.data.type)(sa.literal(key, sa.Text))
    text = found.op("#>>", return_type=sa.Text())(sa.literal_column("'{}'::text[]"))
    number = sa.cast(sa.func.trim_scale(sa.cast(text, sa.Numeric)), sa.Text)
    return sa.case((sa.func.jsonb_typeof(found) == "number", number), else_=text)


def _in_any(spans: Sequence[Span]) -> sa.ColumnElement[bool]:
    at = events.c.created_at
    if len(spans) == 1:
        return sa.true()
    return sa.or_(*(sa.and_(at >= start, at < end) for start, end in spans))
