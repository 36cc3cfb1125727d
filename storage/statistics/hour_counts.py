"""Count the events of a slice of time by the counts by hour, component and environment."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from storage.events.conditions import matching
from storage.postgres.tables import event_hours
from storage.statistics.counts import INSTANTS, Bars, Count, grouped, rows_of
from storage.statistics.minute_grid import HOUR, Minutes, Pieces, floor, pieces
from storage.statistics.question import Question, without_times
from storage.statistics.table_counts import count_spans

_INTEGERS = sa.ARRAY(sa.Integer)


class OfHours:
    """How wide slices of the counts by hour are, and where they start: see `Source`."""

    def width(self, connection: sa.Connection, start: datetime, end: datetime) -> timedelta:
        """Return the whole span: it has few rows."""
        return end - start

    def start(self, instant: datetime) -> datetime:
        """Return the start of the instant's hour."""
        return floor(instant, HOUR)


class HourSlices(OfHours):
    """What is counted in slices of the counts by hour: see `Source`."""

    def __init__(self, question: Question, bars: Bars) -> None:
        self._question = question
        self._bars = bars

    def read(self, connection: sa.Connection, start: datetime, end: datetime) -> list[Count]:
        """Count the slice."""
        found = pieces(start, end, self._bars)
        counts: list[Count] = []
        if _has_whole_hours(found):
            counts += self._rows(connection, self._whole_hours(found))
        if found.minutes:
            counts += self._rows(connection, self._minutes(found.minutes))
        if found.rest:
            counts += count_spans(connection, self._question, self._bars, found.rest)
        return counts

    def _rows(self, connection: sa.Connection, query: sa.Select[Any]) -> list[Count]:
        return rows_of(connection, query, self._question.group)

    def _whole_hours(self, found: Pieces) -> sa.Select[Any]:
        bar = self._bars.of(event_hours.c.hour, found.start, found.end)
        query = self._grouped(bar, sa.func.sum(event_hours.c.n))
        return query.where(*in_whole_hours(found))

    def _minutes(self, parts: Sequence[Minutes]) -> sa.Select[Any]:
        hours, firsts, lasts, bars = zip(*parts, strict=True)
        unnested = sa.func.unnest(
            sa.cast(list(hours), INSTANTS),
            *(sa.cast(list(column), _INTEGERS) for column in (firsts, lasts, bars)),
        )
        part = unnested.table_valued(
            sa.column("hour", event_hours.c.hour.type),
            *(sa.column(name, sa.Integer) for name in ("first", "last", "bar")),
            name="part",
        ).render_derived()
        minutes = event_hours.c.minutes[part.c.first : part.c.last]
        one = sa.func.unnest(minutes).column_valued("one")
        count = sa.select(sa.func.sum(one)).scalar_subquery()
        query = self._grouped(part.c.bar, sa.func.sum(count))
        joined = part.join(event_hours, event_hours.c.hour == part.c.hour)
        within = (event_hours.c.hour >= min(hours), event_hours.c.hour <= max(hours))
        return query.select_from(joined).where(*within)

    def _grouped(self, bar: sa.ColumnElement[int], count: sa.ColumnElement[Any]) -> sa.Select[Any]:
        group = self._question.group
        assert group in (None, "component", "environment")
        value = None if group is None else event_hours.c[group]
        filters = without_times(self._question.filters)
        conditions = matching(filters, event_hours.c)
        return grouped(bar, value, count).where(*conditions).having(count > 0)


def in_whole_hours(found: Pieces) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for the hours between start and end that are not cut."""
    hour, inner = event_hours.c.hour, _cut_within(found)
    within = [hour >= found.start, hour < found.end]
    return [*within, hour != sa.all_(sa.cast(inner, INSTANTS))] if inner else within


def _has_whole_hours(found: Pieces) -> bool:
    """Return whether an hour between start and end is not cut."""
    return found.end - found.start > len(_cut_within(found)) * HOUR


def _cut_within(found: Pieces) -> list[datetime]:
    return [each for each in found.cut if found.start <= each < found.end]
