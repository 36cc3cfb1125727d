"""The window of a statistic whose question leaves an end of time open."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from storage.events.conditions import matching
from storage.model.filters import Filters
from storage.postgres.tables import event_hours, events
from storage.statistics.coverage import Span, parts
from storage.statistics.minute_grid import HOUR, floor
from storage.statistics.question import names_only

FIND_MS = 4_000  # the limit of each query here

_MILLISECOND = timedelta(milliseconds=1)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Window(NamedTuple):
    """From `start` until just before `end`."""

    start: datetime
    end: datetime


def window_of(connection: sa.Connection, filters: Filters, exact: Sequence[Span]) -> Window:
    """Return the window of the filters; where they leave an end open, that of the events.

    - An open end is now, by the clock of PostgreSQL, or behind the last event if that is later: the
      clock of an API process may be ahead.
    - An open start is the hour, in UTC, of the first event.

    Those events count that have a component and an environment that are asked for and that the
    client may see; the other filters may be slow. Raises QueryTooSlow.
    """
    if filters.start is not None and filters.end is not None:
        return Window(filters.start, filters.end)
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {FIND_MS}")
    names = names_only(filters)
    end = filters.end or _open_end(connection, names, filters.start)
    if filters.start is not None:
        return Window(filters.start, max(filters.start, end))
    return Window(_open_start(connection, names, end, exact), end)


def _open_end(connection: sa.Connection, names: Filters, start: datetime | None) -> datetime:
    now = connection.scalar(sa.select(sa.func.clock_timestamp()))
    assert now is not None
    now = _ceil(now.astimezone(UTC))
    at = events.c.created_at
    late = sa.select(at).where(at >= now, *matching(names))
    last = connection.scalar(late.order_by(at.desc()).limit(1))
    return max(now, start or now) if last is None else last.astimezone(UTC) + _MILLISECOND


def _open_start(
    connection: sa.Connection, names: Filters, end: datetime, exact: Iterable[Span]
) -> datetime:
    for start, until, is_exact in reversed(parts(_FIRST, end, exact)):
        first = _first_hour if is_exact else _first_event
        found = connection.scalar(first(names, start, until))
        if found is not None:
            return floor(found.astimezone(UTC), HOUR)
    return end


def _first_hour(names: Filters, start: datetime, end: datetime) -> sa.Select[Any]:
    hour = event_hours.c.hour
    found = sa.select(hour).where(hour >= floor(start, HOUR), hour < end, event_hours.c.n > 0)
    return found.where(*matching(names, event_hours.c)).order_by(hour).limit(1)


def _first_event(names: Filters, start: datetime, end: datetime) -> sa.Select[Any]:
    at = events.c.created_at
    found = sa.select(at).where(at >= start, at < end, *matching(names))
    return found.order_by(at).limit(1)


def _ceil(instant: datetime) -> datetime:
    return instant + timedelta(microseconds=-instant.microsecond % 1000)
