"""Where `event_hours` tells exactly how many events `events` has, and the proof of that.

Triggers count (migration 0005): whatever a statement adds to `events`, changes in it or removes
from it, they add to `event_hours` in the same transaction. A duplicate, a refused row and a
savepoint that is rolled back leave no count behind. It holds for a drain of any version, for a
replay and for any other program. Each transaction that counts has a `shard` of its own as long as
it runs (`free_event_hours_shard`), so none waits for another.

Rows that were there before are added by `hour_counter`, a few hours at a time, while the service
runs. It adds what a single statement finds to be the difference between the table and the counts.
The statement has one snapshot, and every transaction that counts is in it as a whole or not at all.
So the difference is exactly what nobody has counted, whoever writes meanwhile; to add it again adds
0. A step that is killed has added all or nothing.

There are a few ways in which rows come or go and no trigger counts: a partition is attached,
detached, dropped or truncated, or a trigger is switched off. Each of them changes the partition's
`state`: the catalogs' rows for the triggers and for the attachment, and the partition's file. The
counts of a partition are used only as long as its `state` is the one of the snapshot in which it
was counted; else it is counted again. Two ways are not noticed: to write into a partition by its
own name, and `session_replication_role = replica`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from storage.postgres import partitions
from storage.postgres.engine import snapshot
from storage.postgres.partitions import Span

HOUR = timedelta(hours=1)

ATTACHED = """
    SELECT c.oid::bigint AS partition, pg_get_expr(c.relpartbound, c.oid) AS bounds,
        concat_ws(' ', triggers.state, i.xmin, c.relfilenode) AS state
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid, (
        SELECT string_agg(concat_ws(' ', oid, xmin), ' ' ORDER BY tgname) AS state FROM pg_trigger
        WHERE tgrelid = 'events'::regclass AND tgenabled = 'O'
        AND tgname IN ('count_added', 'count_removed', 'count_changed') HAVING count(*) = 3
    ) AS triggers
    WHERE i.inhparent = 'events'::regclass AND c.relkind = 'r'
"""
"""The partitions of which the triggers count all that changes."""

DIFFERENCE = """
    SELECT hour, component, environment, minute, sum(n) AS n FROM (
        SELECT date_trunc('hour', at) AS hour, component, environment,
            extract(minute FROM at) AS minute, n
        FROM (
            SELECT date_trunc('minute', created_at) AS at, component, environment, count(*) AS n
            FROM events WHERE created_at >= :start AND created_at < :end GROUP BY 1, 2, 3
        ) AS stored
        UNION ALL
        SELECT hour, component, environment, place - 1, -counted
        FROM event_hours, unnest(minutes) WITH ORDINALITY AS counts (counted, place)
        WHERE hour >= :start AND hour < :end AND counted <> 0
    ) AS both_sides GROUP BY hour, component, environment, minute HAVING sum(n) <> 0
"""
"""What the counts of whole hours lack, by minute (0 to 59). The session's time zone must be UTC."""

_COUNTED = sa.text(f"""
    SELECT bounds, counted_from FROM ({ATTACHED}) AS attached
    JOIN counted_partitions AS counted
        ON counted.partition = attached.partition AND counted.state = attached.state
""")
_DIFFERING = sa.text(f"SELECT count(*) FROM ({DIFFERENCE}) AS difference")


def counted_spans(connection: sa.Connection) -> list[Span]:
    """Return the whole hours whose counts are exact in this snapshot: spans in order.

    Read `event_hours` in the same snapshot. No two spans touch each other.
    """
    found = (
        whole_hours((max(span[0], row.counted_from), span[1]))
        for row in connection.execute(_COUNTED)
        if (span := partitions.parse_bounds(row.bounds))
    )
    return _joined(sorted(span for span in found if span[0] < span[1]))


def read_differing(engine: sa.Engine, hour: datetime) -> int | None:
    """Return how many counts of minutes of that hour differ from the table; None: not counted yet.

    Raises DatabaseUnavailable.
    """
    with snapshot(engine) as connection:
        if not partitions.covers(counted_spans(connection), hour):
            return None
        return differing(connection, hour)


def differing(connection: sa.Connection, hour: datetime) -> int:
    """Return how many counts of minutes of that hour differ from the table."""
    found = connection.scalar(_DIFFERING, {"start": hour, "end": hour + HOUR})
    return int(found or 0)


def whole_hours(span: Span) -> Span:
    """Return the whole hours of a span; the end comes before the start if there are none."""
    start, end = span
    return -(-_since(start) // HOUR) * HOUR + _EPOCH, _since(end) // HOUR * HOUR + _EPOCH


_EPOCH = datetime.fromisoformat("1970-01-01T00:00Z")


def _since(instant: datetime) -> timedelta:
    return instant - _EPOCH


def _joined(spans: Sequence[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined
