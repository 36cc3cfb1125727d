"""A partition that is dropped, or that a copy replaces, while others list partitions.

Their snapshot has it, and PostgreSQL writes NULL for its bounds.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from storage.erasure import files
from storage.events import hour_counter, hour_counts
from storage.postgres.engine import plain_engine, transaction
from storage.postgres.partitions import ensure, existing, name_of, span_of
from storage.retention.partition_sizes import attached
from storage.settings import StorageSettings

DAY = timedelta(days=1)
GONE = datetime(2026, 11, 24, tzinfo=UTC)

LISTS: list[Callable[[sa.Connection], object]] = [
    existing,
    attached,
    files.partitions,
    hour_counts.counted_spans,
    hour_counter._missing,
]


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    engine = plain_engine(settings.database_url, pool=2)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("listed", LISTS, ids=lambda each: each.__name__)
def test_a_partition_that_is_dropped_meanwhile_is_left_out(
    engine: sa.Engine, listed: Callable[[sa.Connection], object]
) -> None:
    with transaction(engine) as connection:
        ensure(connection, [GONE, GONE + DAY], "day")
    hour_counter.count_missing(engine)
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
    with transaction(snapshot) as connection:
        connection.execute(sa.text("SELECT 1"))
        with transaction(engine) as other:
            other.exec_driver_sql(f"DROP TABLE {name_of(span_of(GONE, 'day'))}")
        assert "datetime(2026, 11, 24, 0, 0" not in repr(listed(connection))
    with transaction(engine) as connection:
        assert existing(connection) == [span_of(GONE + DAY, "day")]
