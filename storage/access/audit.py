"""The audit log: one line for each administrative act. A line never contains a secret."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.postgres.engine import transaction
from storage.postgres.tables import audit_log

DONE = "done"


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Who (`actor`: user@host) did what, to what, with which result, and when (UTC).

    The id makes it safe to add the same line twice.
    """

    actor: str
    action: str
    target: str
    result: str = DONE
    details: dict[str, Any] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: UUID = field(default_factory=uuid4)


encode_line = msgspec.json.Encoder().encode
decode_line = msgspec.json.Decoder(AuditLine).decode


def add_lines(connection: sa.Connection, lines: Iterable[AuditLine]) -> None:
    """Add the lines that the log does not have yet, inside the caller's transaction."""
    rows = [asdict(line) for line in lines]
    if rows:
        connection.execute(insert(audit_log).on_conflict_do_nothing(), rows)


def newest_lines(engine: sa.Engine, since: datetime, limit: int) -> Sequence[AuditLine]:
    """Return the latest `limit` lines since an instant, the latest first.

    Raises DatabaseUnavailable.
    """
    query = (
        sa.select(audit_log)
        .where(audit_log.c.at >= since)
        .order_by(audit_log.c.at.desc(), audit_log.c.id.desc())
        .limit(limit)
    )
    with transaction(engine) as connection:
        return [AuditLine(**row._asdict()) for row in connection.execute(query)]
