"""Count the events of partitions that the triggers of `event_hours` have not counted.

`hour_counts` says why the result is exact. The newest partition comes first, and of a partition its
newest hours, because they are asked for most. Each step is a transaction of its own, and records
how far it came in `counted_partitions`.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage.events.hour_counts import ATTACHED, DIFFERENCE, HOUR, whole_hours
from storage.postgres import locks, partitions
from storage.postgres.engine import transaction
from storage.postgres.locks import Lock
from storage.server_errors import describe, sqlstate

BUDGET_SECONDS = 20.0
STEP_ROWS = 100_000  # of a step, if they are not of one hour
_TOO_LONG = "54000"  # a component and an environment that no index takes

_MISSING = sa.text(f"""
    SELECT attached.partition, attached.state, bounds,
        CASE WHEN counted.state = attached.state THEN counted_from END AS counted_from
    FROM ({ATTACHED}) AS attached LEFT JOIN counted_partitions AS counted USING (partition)
""")
_FORGET = sa.text(f"""
    DELETE FROM counted_partitions WHERE partition NOT IN (
        SELECT partition FROM ({ATTACHED}) AS attached
    )
""")
_FORGET_HOURS = sa.text("DELETE FROM event_hours WHERE hour <= :last")
_STEP = sa.text("""
    SELECT date_trunc('hour', created_at) + interval '1 hour' FROM events
    WHERE created_at >= :start AND created_at < :end
    ORDER BY created_at DESC OFFSET :rows LIMIT 1
""")
_PLACES = range(1, 61)
_OF_MINUTES = ", ".join(
    f"coalesce(sum(n) FILTER (WHERE minute = {place - 1}), 0)" for place in _PLACES
)
_SUMS = ", ".join(f"h.minutes[{place}] + excluded.minutes[{place}]" for place in _PLACES)
_COUNT = sa.text(f"""
    WITH present AS MATERIALIZED (
        SELECT partition, state FROM ({ATTACHED}) AS attached
        WHERE partition = :partition AND state = :state
    ), difference AS ({DIFFERENCE}), counted AS (
        INSERT INTO event_hours AS h (hour, component, environment, shard, n, minutes)
        SELECT hour, component, environment, (SELECT free_event_hours_shard()), sum(n),
            CAST(ARRAY[{_OF_MINUTES}] AS integer[])
        FROM difference WHERE EXISTS (SELECT FROM present) GROUP BY hour, component, environment
        ON CONFLICT (hour, component, environment, shard) DO UPDATE
        SET n = h.n + excluded.n, minutes = ARRAY[{_SUMS}]
    )
    INSERT INTO counted_partitions (partition, state, counted_from)
    SELECT partition, state, :start FROM present
    ON CONFLICT (partition) DO UPDATE
    SET state = excluded.state, counted_from = excluded.counted_from
""")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Partition:
    """A partition whose whole hours from `start` to `end` are not counted."""

    oid: int
    state: str
    start: datetime
    end: datetime


def count_missing(
    engine: sa.Engine, stopping: Callable[[], bool] = bool, seconds: float = BUDGET_SECONDS
) -> None:
    """Count what is missing, for at most `seconds` and the rest of a step.

    It returns early once `stopping`, or while another process counts. Raises DatabaseUnavailable.
    """
    deadline = time.monotonic() + seconds
    with transaction(engine) as connection:
        missing = _missing(connection) if locks.try_acquire(connection, Lock.EVENT_COUNTS) else []
    for partition in missing:
        for _ in _steps(engine, partition):
            if stopping() or time.monotonic() > deadline:
                return


def _missing(connection: sa.Connection) -> list[_Partition]:
    """Forget partitions that are gone. Return those that are not counted, the newest first."""
    connection.execute(_FORGET)
    attached = [
        (row, span)
        for row in connection.execute(_MISSING)
        if (span := partitions.parse_bounds(row.bounds))
    ]
    if attached:
        oldest = min(start for _, (start, _) in attached)
        connection.execute(_FORGET_HOURS, {"last": oldest - HOUR})
    found = [
        _Partition(row.partition, row.state, start, min(end, row.counted_from or end))
        for row, (start, end) in ((row, whole_hours(span)) for row, span in attached)
    ]
    return sorted(
        (one for one in found if one.start < one.end), key=lambda one: one.end, reverse=True
    )


def _steps(engine: sa.Engine, partition: _Partition) -> Iterator[None]:
    """Count the partition step by step, until all of it is counted or it can't be counted now."""
    end = partition.end
    while end > partition.start:
        try:
            with transaction(engine) as connection:
                start = _count(connection, partition, end)
        except sa.exc.DBAPIError as error:
            if sqlstate(error) != _TOO_LONG:
                raise
            log.warning("events before %s are not counted by hour: %s", end, describe(error))
            return
        if start is None:
            return
        end = start
        yield


def _count(connection: sa.Connection, partition: _Partition, end: datetime) -> datetime | None:
    """Count the hours before `end`, and return where they begin.

    Returns None if the partition is not what it was, or if another process counts.
    """
    if not locks.try_acquire(connection, Lock.EVENT_COUNTS):
        return None
    step = {"start": partition.start, "end": end, "rows": STEP_ROWS}
    start = min(connection.scalar(_STEP, step) or partition.start, end - HOUR)
    counted = {"partition": partition.oid, "state": partition.state, "start": start, "end": end}
    return start if connection.execute(_COUNT, counted).rowcount else None
