"""Maintenance of the tables: partitions, counts, n-grams and indexes that are missing.

It is safe in every process at once.
"""

from datetime import UTC, datetime

import sqlalchemy as sa

from storage.events import hour_counter, ngram_builder
from storage.periodic import STOP_SECONDS, PeriodicThread
from storage.postgres import partition_indexes, partitions, schema
from storage.postgres.engine import transaction

PERIOD_SECONDS = 60


class Maintenance(PeriodicThread):
    """A thread that maintains the tables at its start and then every PERIOD_SECONDS."""

    def __init__(self, engine: sa.Engine, partition_by: str, days_ahead: int) -> None:
        super().__init__("maintenance", PERIOD_SECONDS, at_once=True)
        self._engine = engine
        self._partition_by = partition_by
        self._days_ahead = days_ahead

    def stop(self, seconds: float | None = STOP_SECONDS) -> None:
        """End the thread after the current round, and close the connections."""
        super().stop(seconds)
        self._engine.dispose()

    def run_once(self) -> None:
        """Make missing partitions, counts and indexes, and the next missing record of n-grams.

        Raises DatabaseUnavailable, SchemaTooNew, and PartitionNameTaken after all else is done.
        """
        wanted = partitions.ahead(datetime.now(UTC), self._days_ahead, self._partition_by)
        with transaction(self._engine) as connection:
            schema.require_known_in(connection)
            spans = partitions.ensure(connection, wanted, self._partition_by)
        hour_counter.count_missing(self._engine, self._stopping.is_set)
        ngram_builder.record_next(self._engine)
        while partition_indexes.make_next(self._engine) and not self._stopping.is_set():
            pass
        partitions.require(spans, wanted, self._partition_by)
