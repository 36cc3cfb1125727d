"""Compare the counts by hour with the table that they count."""

from collections import Counter
from datetime import datetime

import sqlalchemy as sa

from storage.events.hour_counter import count_missing
from storage.events.hour_counts import counted_spans
from storage.postgres.engine import transaction
from storage.postgres.partitions import Span

Counts = Counter[tuple[datetime, str, str]]

_STORED = sa.text("""
    SELECT date_trunc('minute', created_at), component, environment, count(*) FROM events
    GROUP BY 1, 2, 3
""")
_COUNTED = sa.text("""
    SELECT hour + make_interval(mins => place::integer - 1), component, environment, sum(count)
    FROM event_hours, unnest(minutes) WITH ORDINALITY AS counts (count, place)
    GROUP BY 1, 2, 3 HAVING sum(count) <> 0
""")
_UNEVEN = sa.text("""
    SELECT count(*) FROM event_hours WHERE cardinality(minutes) <> 60
    OR n <> (SELECT sum(count) FROM unnest(minutes) AS count)
""")


def stored(connection: sa.Connection) -> Counts:
    """Count the table by minute, component and environment."""
    return Counter({tuple(row[:3]): row[3] for row in connection.execute(_STORED)})


def counted(connection: sa.Connection) -> Counts:
    """Return what `event_hours` says; also assert that hours are the sums of their minutes."""
    assert connection.scalar(_UNEVEN) == 0
    return Counter({tuple(row[:3]): int(row[3]) for row in connection.execute(_COUNTED)})


def assert_exact(engine: sa.Engine) -> int:
    """Assert that counts and table agree in one snapshot; return the number of events."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        found = stored(connection)
        assert counted(connection) == found
    return found.total()


def spans(engine: sa.Engine) -> list[Span]:
    """Return for which hours the counts are exact."""
    with transaction(engine) as connection:
        return counted_spans(connection)


def count_all(engine: sa.Engine) -> None:
    """Count what is missing, without a limit of time."""
    count_missing(engine, seconds=600)


def shards(engine: sa.Engine) -> set[int]:
    """Return the shards that have counts."""
    with transaction(engine) as connection:
        return set(connection.scalars(sa.text("SELECT shard FROM event_hours")))
