"""The window of a statistic whose question leaves an end of time open."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from storage.events.conditions import matching
from storage.model.filters import Filters
from storage.postgres.engine import TimeLeft
from storage.postgres.tables import event_hours, events
from storage.statistics.coverage import Span, parts
from storage.statistics.minute_grid import HOUR, floor
from storage.statistics.question import names_only

FIND_MS = 1_500
"""The limit of all queries that find a window, and what is counted by hour."""

SHORT = timedelta(days=32)

Instant = Callable[[sa.Select[Any]], datetime | None]
"""Runs a query for one instant, within the time left."""

_MILLISECOND = timedelta(milliseconds=1)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Window(NamedTuple):
    """From `start` until just before `end`."""

    start: datetime
    end: datetime


def window_of(
    connection: sa.Connection, filters: Filters, exact: Sequence[Span], time_left: TimeLeft
) -> Window:
    """Return the window of the filters; where they leave an end open, that of the events.

    - An open end is now, by the clock of PostgreSQL, or behind the last event if that is later: the
      clock of an API process may be ahead.
    - An open start is the hour, in UTC, of the first event.

    Those events count that have a component and an environment that are asked for and that the
    client may see; the other filters may be slow. Raises QueryTooSlow.
    """
    if filters.start is not None and filters.end is not None:
        return Window(filters.start, filters.end)
    names = names_only(filters)

    def instant(query: sa.Select[Any]) -> datetime | None:
        time_left.allow(connection)
        found: datetime | None = connection.scalar(query)
        return found

    end = filters.end or _open_end(instant, names, filters.start)
    if filters.start is not None:
        return Window(filters.start, max(filters.start, end))
    return Window(_open_start(instant, names, end, exact), end)


def with_events(window: Window, whole: Callable[[], Window]) -> Window:
    """Return the part of the window that may have events; `whole` finds that of all events.

    A short window is not cut: a look at its days takes no longer than finding where events are.
    """
    if window.end - window.start <= SHORT:
        return window
    all_events = whole()
    start, end = max(window.start, all_events.start), min(window.end, all_events.end)
    return Window(start, max(start, end))


def _open_end(instant: Instant, names: Filters, start: datetime | None) -> datetime:
    now = instant(sa.select(sa.func.clock_timestamp()))
    assert now is not None
    now = _ceil(now.astimezone(UTC))
    at = events.c.created_at
    late = sa.select(at).where(at >= now, *matching(names))
    last = instant(late.order_by(at.desc()).limit(1))
    return max(now, start or now) if last is None else last.astimezone(UTC) + _MILLISECOND


def _open_start(instant: Instant, names: Filters, end: datetime, exact: Iterable[Span]) -> datetime:
    for start, until, is_exact in reversed(parts(_FIRST, end, exact)):
        first = _first_hour if is_exact else _first_event
        found = instant(first(names, start, until))
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
