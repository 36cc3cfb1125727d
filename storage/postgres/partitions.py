"""Partitions of the events table, which are created before their first event."""

import re
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter

import sqlalchemy as sa

from storage.errors import PartitionNameTaken
from storage.postgres import locks
from storage.postgres.locks import Lock

_BOUNDS = re.compile(r"FROM \('([^']+)'\) TO \('([^']+)'\)")
_LIST = sa.text(
    "SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i "
    "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'events'::regclass"
)
_TABLE = sa.text("SELECT to_regclass(:name)")

_UNITS = ("year", "month", "day", "hour")
# A span that ended so long ago is one partition, whatever the setting: a history of many years must
# not become thousands of partitions, nor one batch take the locks of as many.
_PAST = (("year", timedelta(days=365)), ("month", timedelta(days=31)), ("day", timedelta(days=1)))
_MADE_AT_ONCE = 16
_HOURS_AHEAD = 24  # no more: each partition, even an empty one, costs every query a little

Span = tuple[datetime, datetime]


def span_of(instant: datetime, unit: str) -> Span:
    """Return the span of an instant in UTC, of that `unit`: its start and exclusive end.

    Every hour lies in exactly one span.
    """
    hour = instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if unit == "hour":
        return hour, hour + timedelta(hours=1)
    day = hour.replace(hour=0)
    if unit == "day":
        return day, day + timedelta(days=1)
    first = day.replace(day=1)
    if unit == "month":
        return first, (first + timedelta(days=32)).replace(day=1)
    january = first.replace(month=1)
    return january, (january + timedelta(days=366)).replace(day=1)


def unit_at(instant: datetime, now: datetime, unit: str) -> str:
    """Return the unit of the instant's partition: `unit`, or a longer one if it is long ago."""
    for longer, age in _PAST:
        if _UNITS.index(longer) < _UNITS.index(unit) and span_of(instant, longer)[1] <= now - age:
            return longer
    return unit


def groups(
    spans: Sequence[Span], hours: Iterable[datetime], unit: str, now: datetime
) -> Iterator[tuple[str, list[datetime]]]:
    """Yield the hours that no partition covers, some at a time, with the unit of their partitions.

    Each group needs few partitions, unless these must be shorter than their unit: a transaction
    that makes all partitions of a long history would take more locks than PostgreSQL has.
    """
    missing: dict[str, dict[Span, list[datetime]]] = {}
    for hour in hours:
        if not covers(spans, hour):
            wanted = unit_at(hour, now, unit)
            missing.setdefault(wanted, {}).setdefault(span_of(hour, wanted), []).append(hour)
    for wanted, by_span in missing.items():
        of_spans = list(by_span.values())
        for at in range(0, len(of_spans), _MADE_AT_ONCE):
            yield wanted, [hour for some in of_spans[at : at + _MADE_AT_ONCE] for hour in some]


def ahead(now: datetime, days: int, unit: str) -> list[datetime]:
    """Return instants of all spans that begin within `days` (of hours: within one day)."""
    if unit == "hour":
        return [now + timedelta(hours=hour) for hour in range(_HOURS_AHEAD + 1)]
    return [now + timedelta(days=day) for day in range(days + 1)]


def existing(connection: sa.Connection) -> list[Span]:
    """Return the spans of the existing partitions, in order."""
    found = connection.scalars(_LIST).all()
    if None in found:  # one was dropped, or a copy took its place: a later snapshot has that
        found = connection.scalars(_LIST).all()
    return sorted(span for span in map(parse_bounds, found) if span)


def parse_bounds(text: str | None) -> Span | None:
    """Return the span of a partition, as PostgreSQL writes it; None if an end of it is open.

    PostgreSQL writes NULL for a partition of the snapshot that was dropped since: it has no span.
    """
    match = _BOUNDS.search(text or "")
    return (_instant(match[1]), _instant(match[2])) if match else None


def ensure(connection: sa.Connection, instants: Iterable[datetime], unit: str) -> list[Span]:
    """Create the partitions that these instants lack. Return all existing spans, in order.

    It skips a partition whose name another table has: see `require`. It runs inside the caller's
    transaction, in one process at a time. Attaching a finished table, unlike creating it as a
    partition, does not wait for running queries.
    """
    locks.acquire(connection, Lock.PARTITIONS)
    spans = existing(connection)
    for instant in sorted(instants):
        if not covers(spans, instant):
            span = _free_span(spans, instant, unit)
            if connection.scalar(_TABLE, {"name": name_of(span)}) is None:
                _create(connection, span)
                insort(spans, span)
    return spans


def require(spans: Sequence[Span], instants: Iterable[datetime], unit: str) -> None:
    """Check that `ensure` has skipped none of the instants. Raises PartitionNameTaken."""
    for instant in instants:
        if not covers(spans, instant):
            raise PartitionNameTaken(_remedy(_free_span(spans, instant, unit)))


def name_taken(
    connection: sa.Connection, spans: Sequence[Span], instants: Iterable[datetime], unit: str
) -> str | None:
    """Return the remedy if another table has the name of a partition that is missing, else None."""
    for instant in instants:
        span = _free_span(spans, instant, unit)
        if connection.scalar(_TABLE, {"name": name_of(span)}) is not None:
            return _remedy(span)
    return None


def covers(spans: Sequence[Span], instant: datetime) -> bool:
    """Return whether one of the spans, which are in order, contains the instant."""
    at = bisect_right(spans, instant, key=itemgetter(0))
    return at > 0 and instant < spans[at - 1][1]


def end_of_cover(spans: Sequence[Span], instant: datetime) -> datetime:
    """Return until when the spans, which are in order, cover all time from the instant on."""
    for start, end in spans:
        if start <= instant < end:
            instant = end
    return instant


def _free_span(spans: Sequence[Span], instant: datetime, unit: str) -> Span:
    """Return the longest span of the instant, `unit` at most, that overlaps no existing span."""
    units = _UNITS[_UNITS.index(unit) :]
    wider = (span_of(instant, each) for each in units[:-1])
    free = (span for span in wider if not _overlaps(spans, span))
    return next(free, span_of(instant, units[-1]))


def _overlaps(spans: Iterable[Span], span: Span) -> bool:
    start, end = span
    return any(a < end and start < b for a, b in spans)


def _create(connection: sa.Connection, span: Span) -> None:
    connection.execute(sa.text(f"CREATE TABLE {name_of(span)} (LIKE events INCLUDING ALL)"))
    connection.execute(sa.text(_attach(span)))


def _attach(span: Span) -> str:
    start, end = (instant.isoformat() for instant in span)
    name = name_of(span)
    return f"ALTER TABLE events ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')"


def _remedy(span: Span) -> str:
    name = name_of(span)
    return (
        f"the table {name} exists but is not a partition of events, so events of its time wait: "
        f"either attach it again ({_attach(span)}), "
        f"or rename it (ALTER TABLE {name} RENAME TO {name}_detached)"
    )


def name_of(span: Span) -> str:
    """Return the name of the span's table."""
    midnights = all(instant.hour == 0 for instant in span)
    start, end = (f"{instant:{'%Y%m%d' if midnights else '%Y%m%d%H'}}" for instant in span)
    return f"events_{start}_{end}"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
