"""Partitions of the events table: made ahead of time, so that no event finds its place missing."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

_BOUNDS = re.compile(r"FROM \('([^']+)'\) TO \('([^']+)'\)")
_LIST = sa.text(
    "SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i "
    "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'events'::regclass"
)
_ONE_AT_A_TIME = sa.text("SELECT pg_advisory_xact_lock(hashtext('activity partitions'))")

Span = tuple[datetime, datetime]


def span_of(instant: datetime, unit: str) -> Span:
    """The day or month (`unit`) around an instant in UTC: its start and, exclusive, its end."""
    day = instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "day":
        return day, day + timedelta(days=1)
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def existing(connection: sa.Connection) -> list[Span]:
    """The spans there are partitions for."""
    bounds = connection.scalars(_LIST).all()
    found = (_BOUNDS.search(text) for text in bounds)
    return [(_instant(match[1]), _instant(match[2])) for match in found if match]


def ensure(connection: sa.Connection, instants: Iterable[datetime], unit: str) -> list[Span]:
    """Make the partitions that these instants miss; returns every span there is then.

    Runs inside the caller's transaction, one process at a time. Attaching a finished table,
    instead of creating it as a partition, does not wait for queries that run.
    """
    connection.execute(_ONE_AT_A_TIME)
    spans = existing(connection)
    for instant in sorted(instants):
        if not covers(spans, instant):
            spans.append(_create(connection, _free_span(spans, instant, unit)))
    return spans


def covers(spans: Iterable[Span], instant: datetime) -> bool:
    """Whether one of the spans holds the instant."""
    return any(start <= instant < end for start, end in spans)


def _free_span(spans: list[Span], instant: datetime, unit: str) -> Span:
    """The instant's span; its day alone where days of that month exist from an earlier setting."""
    start, end = span_of(instant, unit)
    taken = any(a < end and start < b for a, b in spans)
    return span_of(instant, "day") if taken else (start, end)


def _create(connection: sa.Connection, span: Span) -> Span:
    start, end = span
    name = f"events_{start:%Y%m%d}_{end:%Y%m%d}"
    connection.execute(sa.text(f"CREATE TABLE {name} (LIKE events INCLUDING ALL)"))
    connection.execute(
        sa.text(
            f"ALTER TABLE events ATTACH PARTITION {name} "
            f"FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
        )
    )
    return span


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
