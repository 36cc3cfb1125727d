"""Delete the dead letters of a person, and write over the address in the others."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from storage.erasure import records
from storage.erasure.address_table import ADDRESS, knowing
from storage.erasure.records import Erasure
from storage.errors import Held
from storage.model.erasing import Address, email_of
from storage.postgres.tables import dead_letters, erasures
from storage.retention import holds
from storage.retention.belongings import is_held

BATCH = 100
_FIRST = datetime(1, 1, 1, tzinfo=UTC), UUID(int=0)

# JSON may escape each character of the address: then only its text tells.
_MAY_NAME = f"""
    strpos(lower(encode(event, 'escape') COLLATE "C"), {ADDRESS}) > 0
    OR strpos(encode(event, 'escape'), 'u00') > 0
    OR strpos(lower(reason COLLATE "C"), {ADDRESS}) > 0
"""
_NEXT = sa.text(f"""
    SELECT created_at, id, event, reason FROM dead_letters
    WHERE (created_at, id) > (:at, :id) AND created_at < :before AND ({_MAY_NAME})
    ORDER BY created_at, id LIMIT :rows FOR UPDATE
""")
_COUNT = sa.text(f"SELECT created_at, id, event, reason FROM dead_letters WHERE {_MAY_NAME}")


def erase_some(engine: sa.Engine, record: Erasure, address: Address) -> bool:
    """Erase in the next dead letters; return whether more may be left. The record has the place.

    A replay that has read a letter before does not store it: it looks at the bytes again. Raises
    DatabaseUnavailable, Held.
    """
    at, last_id = (record.place_at, record.place_id) if record.place_at else _FIRST
    place = {"at": at, "id": last_id, "before": record.before, "rows": BATCH}
    with knowing(engine, address) as connection:
        holds.require_none(connection, address.text, ADDRESS)
        rows = connection.execute(_NEXT, place).all()
        changed = [row for row in rows if _erase(connection, address, row)]
        _require_no_holds(connection, changed)
        if rows:
            letters = erasures.c.letters + len(changed)
            where = {"place_at": rows[-1].created_at, "place_id": rows[-1].id}
            records.change(connection, record.id, letters=letters, **where)
    return len(rows) == BATCH


def count(connection: sa.Connection, address: Address) -> int:
    """Return how many dead letters are of the person or name the address.

    In a transaction that knows the address.
    """
    return sum(_erased(address, row) is not row for row in connection.execute(_COUNT))


def _require_no_holds(connection: sa.Connection, changed: Sequence[Any]) -> None:
    """Check that no hold touches one of these dead letters. Raises Held."""
    for hold in holds.listed(connection):
        if any(is_held(row, hold) for row in changed):
            raise Held(
                f"a legal hold keeps dead letters that name this email: {hold.id} ({hold.reason})"
            )


def _erase(connection: sa.Connection, address: Address, row: Any) -> bool:
    found = _erased(address, row)
    if found is row:
        return False
    letter = (dead_letters.c.created_at == row.created_at) & (dead_letters.c.id == row.id)
    if found is None:
        connection.execute(dead_letters.delete().where(letter))
    else:
        raw, reason = found
        connection.execute(dead_letters.update().where(letter).values(event=raw, reason=reason))
    return True


def _erased(address: Address, row: Any) -> Any:
    """Return None to delete the letter, its new bytes and reason, or the row to leave it."""
    raw = bytes(row.event)
    if address.is_that_of(email_of(raw)):
        return None
    redacted, reason = address.redact_json(raw), address.redact(row.reason)
    return row if (redacted, reason) == (raw, row.reason) else (redacted, reason)
