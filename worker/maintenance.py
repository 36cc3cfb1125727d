"""Maintenance: partitions are there before their first event, records of what past messages hold
soon after their last. Safe in every process at once."""

import logging
import threading
from datetime import UTC, datetime

import sqlalchemy as sa

from storage.errors import StorageError
from storage.events import ngrams
from storage.postgres import partitions
from storage.postgres.engine import transaction

PERIOD_SECONDS = 60

log = logging.getLogger(__name__)


class Maintenance:
    """A thread that makes partitions and records which are missing, and repeats it."""

    def __init__(self, engine: sa.Engine, partition_by: str, days_ahead: int) -> None:
        self._engine = engine
        self._partition_by = partition_by
        self._days_ahead = days_ahead
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="maintenance", daemon=True)

    def start(self) -> None:
        """Begin; the first round runs at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round under way."""
        self._stop.set()
        self._thread.join(timeout=10)
        self._engine.dispose()

    def run_once(self) -> None:
        """One round. Raises DatabaseUnavailable, and PartitionNameTaken after all else is done."""
        wanted = partitions.ahead(datetime.now(UTC), self._days_ahead, self._partition_by)
        with transaction(self._engine) as connection:
            spans = partitions.ensure(connection, wanted, self._partition_by)
        ngrams.record_next(self._engine)
        partitions.require(spans, wanted, self._partition_by)

    def _run(self) -> None:
        away = False
        while True:
            try:
                self.run_once()
            except Exception as error:  # whatever it was: the next round may do better
                if not away:
                    log.warning("maintenance waits: %s", error, exc_info=_unforeseen(error))
                away = True
            else:
                away = False
            if self._stop.wait(PERIOD_SECONDS):
                return


def _unforeseen(error: Exception) -> Exception | None:
    foreseen = isinstance(error, StorageError | sa.exc.SQLAlchemyError)
    return None if foreseen else error
