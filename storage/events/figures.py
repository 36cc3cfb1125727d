"""Figures of the history for operators: the ledger, its size, its oldest event, its partitions."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from storage.events.ledger import Ledger, ledger_in
from storage.postgres import partitions
from storage.postgres.engine import transaction
from storage.postgres.tables import erasures, events, retention_state

_SIZE = sa.text("SELECT pg_database_size(current_database())")
_OLDEST_ERASURE = sa.select(
    sa.func.extract("epoch", sa.func.now() - sa.func.min(erasures.c.started_at))
).where(erasures.c.finished_at.is_(None))
# In the order of the partitions, so it ends in the first one that has a row.
_OLDEST = sa.select(events.c.created_at).order_by(events.c.created_at).limit(1)


@dataclass(frozen=True, slots=True)
class RetentionFigures:
    """What runs of retention have found and removed (`storage.retention.state`).

    `ran` and `horizon`: Unix times; None if none has run, or removed anything.
    """

    partitions_removed: int
    rows_removed: int
    horizon: float | None
    ran: float | None
    due: int
    held: int
    is_braked: bool
    disk_budget: int | None
    excess_bytes: int


@dataclass(frozen=True, slots=True)
class HistoryFigures:
    """What PostgreSQL tells. `oldest_event`: Unix time, None without any event.

    `erasure_age`: seconds since the oldest erasure began that is not done; 0 if all are done.
    """

    ledger: Ledger
    database_bytes: int
    oldest_event: float | None
    partitions_ahead_seconds: float
    retention: RetentionFigures
    erasure_age: float


def read_figures(engine: sa.Engine) -> HistoryFigures:
    """Read all figures in one transaction. Raises DatabaseUnavailable."""
    now = datetime.now(UTC)
    with transaction(engine) as connection:
        ledger = ledger_in(connection)
        oldest = connection.scalar(_OLDEST)
        spans = partitions.existing(connection)
        size = connection.scalar(_SIZE)
        retention = _retention(connection.execute(sa.select(retention_state)).one())
        erasure_age = float(connection.scalar(_OLDEST_ERASURE) or 0)
    ahead = partitions.end_of_cover(spans, now) - now
    return HistoryFigures(
        ledger,
        size or 0,
        oldest.timestamp() if oldest else None,
        ahead.total_seconds(),
        retention,
        erasure_age,
    )


def _retention(row: Any) -> RetentionFigures:
    return RetentionFigures(
        row.partitions_removed,
        row.rows_removed,
        row.horizon.timestamp() if row.horizon else None,
        row.ran_at.timestamp() if row.ran_at else None,
        row.due,
        row.held,
        row.is_braked,
        row.disk_budget,
        row.excess_bytes,
    )
