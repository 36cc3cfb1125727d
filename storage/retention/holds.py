"""Legal holds: what retention must not remove, nor anybody erase, until the hold is removed.

A hold is of a time range, of an email, or of an email within a time range. Who adds or removes one
waits until nobody removes events; who removes events keeps the holds as they are meanwhile
(`keep_unchanged`), and asks them in the same transaction. So once a hold is added, what it touches
stays.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from storage.access.actor import actor as operating_system_user
from storage.access.audit import AuditLine, Detail, add_lines
from storage.errors import Held
from storage.model.normal_form import lower_ascii
from storage.postgres import locks
from storage.postgres.engine import transaction
from storage.postgres.locks import Lock
from storage.postgres.partitions import Span
from storage.postgres.tables import events, legal_holds, lower_email

_WAIT = "SET LOCAL lock_timeout = '90s'"  # longer than retention detaches a partition

_OF_EMAIL = """
    SELECT 1 FROM ONLY {table} WHERE lower(email COLLATE "C") = :email
    AND (CAST(:start AS timestamptz) IS NULL OR created_at >= :start)
    AND (CAST(:end AS timestamptz) IS NULL OR created_at < :end) LIMIT 1
"""
_NAMED = 3  # holds that a message names at most


@dataclass(frozen=True, slots=True)
class LegalHold:
    """What is held: from `start` until before `end` (None: no bound), of `email` if it is given."""

    id: UUID
    reason: str
    start: datetime | None
    end: datetime | None
    email: str | None
    added_at: datetime
    added_by: str

    def overlaps(self, span: Span) -> bool:
        """Return whether the time of the hold touches the span. Says nothing of the email."""
        return (self.start is None or self.start < span[1]) and (
            self.end is None or span[0] < self.end
        )

    def covers(self, instant: datetime) -> bool:
        """Return whether the instant is in the time of the hold. Says nothing of the email."""
        return (self.start is None or self.start <= instant) and (
            self.end is None or instant < self.end
        )

    def keeps(self, created_at: datetime, email: str | None) -> bool:
        """Return whether it keeps an event that was created then, of this email."""
        is_meant = self.email is None or (email is not None and lower_ascii(email) == self.email)
        return is_meant and self.covers(created_at)


class LegalHolds:
    """What an administrator can do with holds. Every call raises DatabaseUnavailable.

    `actor`: who acts, for the audit log; None for the user of the operating system.
    """

    def __init__(self, engine: sa.Engine, actor: str | None = None) -> None:
        self._engine = engine
        self._actor = actor or operating_system_user()

    def add(
        self,
        reason: str,
        start: datetime | None = None,
        end: datetime | None = None,
        email: str | None = None,
    ) -> LegalHold:
        """Add a hold, once nobody removes events. At least a bound or an email must be given."""
        assert start or end or email
        values = {
            "id": uuid4(),
            "reason": reason,
            "start_at": start,
            "end_at": end,
            "email": None if email is None else lower_ascii(email),
            "added_by": self._actor,
        }
        with _alone(self._engine) as connection:
            added = legal_holds.insert().values(values).returning(legal_holds)
            hold = _hold(connection.execute(added).one())
            self._record(connection, "holds add", hold)
        return hold

    def remove(self, hold_id: UUID) -> LegalHold | None:
        """Remove a hold; return it, None if there is none with this ID."""
        with _alone(self._engine) as connection:
            delete = legal_holds.delete().where(legal_holds.c.id == hold_id)
            row = connection.execute(delete.returning(legal_holds)).one_or_none()
            if row is None:
                return None
            hold = _hold(row)
            self._record(connection, "holds remove", hold)
        return hold

    def listed(self) -> Sequence[LegalHold]:
        """Return all holds, the latest first."""
        with transaction(self._engine) as connection:
            return listed(connection)

    def _record(self, connection: sa.Connection, act: str, hold: LegalHold) -> None:
        """Add the act to the audit log, in the same transaction; never the email."""
        told: dict[str, Detail] = {"reason": hold.reason, "has_email": hold.email is not None}
        for name, bound in (("from", hold.start), ("to", hold.end)):
            told[name] = None if bound is None else bound.isoformat()
        add_lines(connection, [AuditLine(self._actor, act, str(hold.id), details=told)])


def keep_unchanged(connection: sa.Connection) -> None:
    """Let nobody add or remove a hold until the transaction ends. Call it first, then ask."""
    locks.acquire_shared(connection, Lock.LEGAL_HOLDS)


def listed(connection: sa.Connection) -> Sequence[LegalHold]:
    """Return all holds, the latest first."""
    latest = legal_holds.c.added_at.desc(), legal_holds.c.id
    return [_hold(row) for row in connection.execute(sa.select(legal_holds).order_by(*latest))]


def of_email(
    connection: sa.Connection, email: str, named: str | None = None
) -> Sequence[LegalHold]:
    """Return the holds that keep events of this email: its own, and those of a time with any.

    `named`: SQL of the email in lower case, for who must not write it into a statement.
    """
    wanted = lower_ascii(email)
    asked = sa.literal(wanted) if named is None else sa.text(named)
    found = []
    for hold in listed(connection):
        if hold.email == wanted or (hold.email is None and _has_any(connection, hold, asked)):
            found.append(hold)
    return found


def require_none(connection: sa.Connection, email: str, named: str | None = None) -> None:
    """Check that no hold keeps events of this email from now to the end of the transaction.

    `named`: see `of_email`. Raises Held.
    """
    keep_unchanged(connection)
    if found := of_email(connection, email, named):
        named = ", ".join(f"{hold.id} ({hold.reason})" for hold in found[:_NAMED])
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise Held(f"a legal hold keeps events of this email: {named}{more}")


def touched_by(connection: sa.Connection, span: Span, table: str) -> Sequence[LegalHold]:
    """Return the holds that touch the events of a partition, or of one that was detached.

    `table`: the name of its table, as SQL.
    """
    return [
        hold
        for hold in listed(connection)
        if hold.overlaps(span) and (hold.email is None or _has_email(connection, hold, table))
    ]


def _has_any(connection: sa.Connection, hold: LegalHold, email: Any) -> bool:
    """Return whether events of the email are in the time of the hold, or may still come there."""
    if hold.end is None or hold.end > datetime.now(UTC):
        return True
    within = [lower_email == email, events.c.created_at < hold.end]
    if hold.start is not None:
        within.append(events.c.created_at >= hold.start)
    return connection.execute(sa.select(sa.literal(1)).where(*within).limit(1)).first() is not None


def _has_email(connection: sa.Connection, hold: LegalHold, table: str) -> bool:
    """Return whether the table has an event of the hold, which the index of emails finds."""
    query = sa.text(_OF_EMAIL.format(table=table))
    asked = {"email": hold.email, "start": hold.start, "end": hold.end}
    return connection.execute(query, asked).first() is not None


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Run a transaction that changes holds, once nobody removes events."""
    with transaction(engine) as connection:
        connection.exec_driver_sql(_WAIT)
        locks.acquire(connection, Lock.LEGAL_HOLDS)
        yield connection


def _hold(row: Any) -> LegalHold:
    return LegalHold(
        row.id, row.reason, row.start_at, row.end_at, row.email, row.added_at, row.added_by
    )
