"""The audit log: one line for each administrative act. A line never contains a secret."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

import msgspec
import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy.dialects.postgresql import insert

from storage.postgres.engine import transaction
from storage.postgres.instants import is_storable
from storage.postgres.tables import audit_log

DONE, REFUSED = "done", "refused"
MAX_LINE_BYTES = 65_536

_Text = Annotated[str, Meta(max_length=1_000, pattern=r"\A[^\x00]*\Z")]
Place = tuple[datetime, UUID]
"""The place of a line in the order of the log: its time, and its id."""

Detail = _Text | int | bool | list[_Text] | None


class UnreadableLine(ValueError):
    """This is no audit line."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Who (`actor`: user@host) did what, to what, with which result, and when (UTC).

    The id makes it safe to add the same line twice.
    """

    actor: _Text
    action: _Text
    target: _Text
    result: _Text = DONE
    details: dict[_Text, Detail] = field(default_factory=dict)
    at: Annotated[datetime, Meta(tz=True)] = field(default_factory=lambda: datetime.now(UTC))
    id: UUID = field(default_factory=uuid4)

    @property
    def place(self) -> Place:
        """Return the place of the line in the log."""
        return self.at, self.id


encode_line = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AuditLine).decode


def decode_line(raw: bytes) -> AuditLine:
    """Return the line that `encode_line` has encoded. Raises UnreadableLine."""
    try:
        line = _decode(raw) if len(raw) <= MAX_LINE_BYTES else None
    except (ValueError, RecursionError):
        line = None
    if line is None or not is_storable(line.at):
        raise UnreadableLine("this is no audit line")
    return line


def add_lines(connection: sa.Connection, lines: Iterable[AuditLine]) -> None:
    """Add the lines that the log does not have yet, inside the caller's transaction."""
    rows = [asdict(line) for line in lines]
    if rows:
        connection.execute(insert(audit_log).on_conflict_do_nothing(), rows)


def newest_lines(
    engine: sa.Engine, since: datetime, limit: int, before: Place | None = None
) -> Sequence[AuditLine]:
    """Return the latest `limit` lines since an instant, the latest first.

    `before`: only those before this place in that order. Raises DatabaseUnavailable.
    """
    columns = audit_log.c
    query = sa.select(audit_log).where(columns.at >= since)
    if before is not None:
        query = query.where(sa.tuple_(columns.at, columns.id) < sa.tuple_(*map(sa.literal, before)))
    newest = query.order_by(columns.at.desc(), columns.id.desc()).limit(limit)
    with transaction(engine) as connection:
        return [AuditLine(**row._asdict()) for row in connection.execute(newest)]


def merged_lines(
    found: Iterable[Sequence[AuditLine]], limit: int, before: Place | None = None
) -> Sequence[AuditLine]:
    """Return the latest `limit` lines of both homes, each once, the latest first. Pure."""
    each = {line.id: line for lines in found for line in lines}
    behind = [line for line in each.values() if before is None or line.place < before]
    return sorted(behind, key=lambda line: line.place, reverse=True)[:limit]
