"""Records of erasures: who is erased as a keyed hash, from before which instant, and how far it is.

A record never has the address. That is on the queue alone, as long as the erasure needs it.
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from storage.access.audit import AuditLine, Detail, add_lines
from storage.model.erasing import Address
from storage.model.event import to_ms
from storage.postgres.tables import erasures

_KEY_BYTES = 32
_DIGEST_BYTES = 16
_NO_PLACE = {"place_at": None, "place_id": None}
BEGUN, DONE = "begun", "done"
"""The first step, in which the tombstones are written, and the last one."""

REMAINS = erasures.c.remains


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure, as it is recorded (`storage.postgres.tables.erasures`)."""

    id: UUID
    key: bytes
    digest: bytes
    before: datetime
    actor: str
    rewrite: bool
    step: str
    started_at: datetime
    finished_at: datetime | None
    place_at: datetime | None
    place_id: UUID | None
    deleted: int
    redacted: int
    letters: int
    waits_for: str | None
    remains: Sequence[str]

    @property
    def before_ms(self) -> int:
        """Return the instant in milliseconds since the epoch."""
        return to_ms(self.before)

    def is_of(self, address: Address) -> bool:
        """Return whether this address was erased."""
        return hmac.compare_digest(self.digest, digest_of(address, self.key))


def digest_of(address: Address, key: bytes) -> bytes:
    """Return the keyed hash of an address."""
    hash_ = blake2b(address.text.encode(), digest_size=_DIGEST_BYTES, key=key)
    return hash_.digest()


def new_record(
    connection: sa.Connection,
    erasure: UUID,
    address: Address,
    actor: str,
    rewrite: bool,
    before: datetime,
) -> Erasure:
    """Record an erasure that begins, with its line of the audit log.

    All records of a database share a key, so that a restore hashes each address once.
    """
    newest = sa.select(erasures.c.key).order_by(erasures.c.started_at.desc()).limit(1)
    key = connection.scalar(newest) or secrets.token_bytes(_KEY_BYTES)
    row = {
        "id": erasure,
        "key": bytes(key),
        "digest": digest_of(address, bytes(key)),
        "before": before,
        "actor": actor,
        "rewrite": rewrite,
        "step": BEGUN,
    }
    connection.execute(erasures.insert(), row)
    record = get(connection, erasure)
    assert record is not None
    _audit(connection, record, "erase", {"rewrite": rewrite})
    return record


def get(connection: sa.Connection, erasure: UUID) -> Erasure | None:
    """Return a record, None if there is none."""
    row = connection.execute(sa.select(erasures).where(erasures.c.id == erasure)).first()
    return _record(row) if row else None


def newest(connection: sa.Connection, limit: int) -> list[Erasure]:
    """Return the latest records, the latest first."""
    order = (erasures.c.started_at.desc(), erasures.c.id)
    query = sa.select(erasures).order_by(*order).limit(limit)
    return [_record(row) for row in connection.execute(query)]


def unfinished(connection: sa.Connection) -> list[Erasure]:
    """Return the records of erasures that go on, the oldest first."""
    query = sa.select(erasures).where(erasures.c.finished_at.is_(None))
    return [_record(row) for row in connection.execute(query.order_by(erasures.c.started_at))]


def all_of(connection: sa.Connection) -> list[Erasure]:
    """Return all records."""
    return [_record(row) for row in connection.execute(sa.select(erasures))]


def change(connection: sa.Connection, erasure: UUID, **values: Any) -> None:
    """Set columns of a record."""
    connection.execute(erasures.update().where(erasures.c.id == erasure).values(**values))


def go_to(connection: sa.Connection, record: Erasure, step: str) -> None:
    """Record that the step before this one is done; DONE ends the erasure."""
    values: dict[str, Any] = {"step": step, "waits_for": None, **_NO_PLACE}
    if step == DONE:
        values["finished_at"] = sa.func.now()
        counts = {name: getattr(record, name) for name in ("deleted", "redacted", "letters")}
        _audit(connection, record, "erase finished", counts)
    change(connection, record.id, **values)


def forget(connection: sa.Connection, record: Erasure) -> None:
    """Delete the record of an erasure that has not begun."""
    connection.execute(erasures.delete().where(erasures.c.id == record.id))


def _audit(
    connection: sa.Connection, record: Erasure, action: str, told: dict[str, Detail]
) -> None:
    details: dict[str, Detail] = {"erasure": str(record.id), **told}
    add_lines(connection, [AuditLine(record.actor, action, record.digest.hex(), details=details)])


def _record(row: Any) -> Erasure:
    found = row._asdict()
    return Erasure(**{**found, "key": bytes(row.key), "digest": bytes(row.digest)})


def shown(record: Erasure) -> dict[str, Any]:
    """Return what people are told of an erasure, ready for JSON."""
    finished = record.finished_at
    return {
        "id": str(record.id),
        "digest": record.digest.hex(),
        "before": record.before.isoformat(),
        "actor": record.actor,
        "rewrite": record.rewrite,
        "step": record.step,
        "waits_for": record.waits_for,
        "started_at": record.started_at.isoformat(),
        "finished_at": finished.isoformat() if finished else None,
        "deleted": record.deleted,
        "redacted": record.redacted,
        "letters": record.letters,
        "remains": list(record.remains),
    }
