"""Figures of the history for operators: the ledger, its size, its oldest event, its partitions."""

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from storage.events.ledger import Ledger, ledger_in
from storage.postgres import partitions
from storage.postgres.engine import transaction
from storage.postgres.tables import events

_SIZE = sa.text("SELECT pg_database_size(current_database())")
# In the order of the partitions, so it ends in the first one that has a row.
_OLDEST = sa.select(events.c.created_at).order_by(events.c.created_at).limit(1)


@dataclass(frozen=True, slots=True)
class HistoryFigures:
    """What PostgreSQL tells. `oldest_event`: Unix time, None without any event."""

    ledger: Ledger
    database_bytes: int
    oldest_event: float | None
    partitions_ahead_seconds: float


def read_figures(engine: sa.Engine) -> HistoryFigures:
    """Read all figures in one transaction. Raises DatabaseUnavailable."""
    now = datetime.now(UTC)
    with transaction(engine) as connection:
        ledger = ledger_in(connection)
        oldest = connection.scalar(_OLDEST)
        spans = partitions.existing(connection)
        size = connection.scalar(_SIZE)
    ahead = partitions.end_of_cover(spans, now) - now
    return HistoryFigures(
        ledger, size or 0, oldest.timestamp() if oldest else None, ahead.total_seconds()
    )
