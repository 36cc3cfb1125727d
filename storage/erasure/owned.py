"""Delete the stored events of a person, some at a time."""

import sqlalchemy as sa

from storage.cache.renewal import CacheRenewal
from storage.erasure import records, touched
from storage.erasure.address_table import ADDRESS, knowing
from storage.erasure.records import Erasure
from storage.erasure.touched import Touched
from storage.erasure.waiting import require_partitions
from storage.model.erasing import Address
from storage.postgres.tables import erasures, events, lower_email
from storage.postgres.wal import written_if_known
from storage.retention import holds

BATCH = 500

_is_owned = lower_email == sa.text(ADDRESS)
_key = sa.tuple_(events.c.created_at, events.c.id)


def delete_some(
    engine: sa.Engine, renewal: CacheRenewal, record: Erasure, address: Address
) -> bool:
    """Delete the oldest events of the person; return whether more may be left.

    Raises DatabaseUnavailable, ControlUnavailable, Held, Waits: then nothing is deleted.
    """
    with knowing(engine, address) as connection:
        require_partitions(connection)
        holds.require_none(connection, address.text, ADDRESS)
        found = _delete(connection, record)
        if not found:
            return False
        touched.record(connection, record.id, found)
        deleted = erasures.c.deleted + len(found)
        records.change(connection, record.id, deleted=deleted)
        renewal.begin()
    renewal.end(written_if_known(engine))
    return len(found) == BATCH


def count(connection: sa.Connection) -> int:
    """Return how many events of the person are stored, in a transaction that knows the address."""
    query = sa.select(sa.func.count()).select_from(events).where(_is_owned)
    return connection.scalar(query) or 0


def _delete(connection: sa.Connection, record: Erasure) -> list[Touched]:
    """Delete from the oldest to the last one of the batch: a range of the index of emails."""
    owned = (_is_owned, events.c.created_at < record.before)
    oldest = sa.select(events.c.created_at, events.c.id).where(*owned)
    keys = connection.execute(oldest.order_by(events.c.created_at, events.c.id).limit(BATCH)).all()
    if not keys:
        return []
    (first, _), last = keys[0], keys[-1]
    within = (events.c.created_at >= first, events.c.created_at <= last.created_at)
    doomed = events.delete().where(*owned, *within, _key <= sa.tuple_(*map(sa.literal, last)))
    columns = (events.c.created_at, events.c.id, events.c.component, events.c.environment)
    return [Touched(*row, True) for row in connection.execute(doomed.returning(*columns))]
