"""Count components and environments of a slice by the counts by hour."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from storage.events.conditions import matching
from storage.model.filters import Filters
from storage.postgres.tables import event_hours
from storage.statistics.counts import Bars
from storage.statistics.facet_slices import FacetSlices, by_day, grouped
from storage.statistics.hour_counts import OfHours, in_whole_hours
from storage.statistics.minute_grid import Minutes, Pieces, pieces
from storage.statistics.question import Group, without_times
from storage.statistics.value_counts import Counts, empty, merge

_ALL = 0  # the only day


class FacetHours(OfHours):
    """What is counted in slices of the counts by hour: see `Source`. All days are one."""

    def __init__(self, filters: Filters, fields: Sequence[Group]) -> None:
        self._filters = filters
        self._fields = fields

    def read(self, connection: sa.Connection, start: datetime, end: datetime) -> dict[int, Counts]:
        """Count the slice."""
        bars = Bars([start])
        found = pieces(start, end, bars)
        counts = empty(len(self._fields))
        queries = [self._minutes(each) for each in found.minutes]
        if found.start < found.end:
            queries.append(self._whole_hours(found))
        for query in queries:
            merge_days(counts, by_day(connection, query, len(self._fields)))
        for rest in found.rest:
            table = FacetSlices(self._filters, self._fields, bars)
            merge_days(counts, table.read(connection, *rest))
        return {_ALL: counts}

    def _whole_hours(self, found: Pieces) -> sa.Select[Any]:
        return self._grouped(event_hours.c.n, *in_whole_hours(found))

    def _minutes(self, part: Minutes) -> sa.Select[Any]:
        one = sa.func.unnest(event_hours.c.minutes[part.first : part.last]).column_valued("one")
        count = sa.select(sa.func.sum(one)).scalar_subquery()
        return self._grouped(count, event_hours.c.hour == part.hour)

    def _grouped(
        self, count: sa.ColumnElement[Any], *within: sa.ColumnElement[bool]
    ) -> sa.Select[Any]:
        filters = without_times(self._filters)
        columns = event_hours.c
        values = [columns[str(field)].label(f"v{at}") for at, field in enumerate(self._fields)]
        rows = sa.select(sa.literal(_ALL).label("day"), *values, count.label("n")).where(
            *within, *matching(filters, columns)
        )
        found = rows.subquery()
        return grouped(found, sa.func.sum(found.c.n)).having(sa.func.sum(found.c.n) > 0)


def merge_days(into: Counts, days: Mapping[int, Counts]) -> None:
    """Add the counts of all days."""
    for counts in days.values():
        merge(into, counts)
