"""Take a partition out of `events` while others read and write: nobody waits for a reader.

DETACH ... CONCURRENTLY has two halves. The first one commits at once: from then on no new query
sees the partition. The second half waits for everybody who may still see it. All waits in here are
short and tried again, because whoever comes later waits behind them. So a long reader only makes
the second half late; a later run finishes it (`FINALIZE`).
"""

from enum import Enum

import sqlalchemy as sa

from storage.errors import StorageError
from storage.postgres.partitions import Span
from storage.server_errors import sqlstate

LIMITS = "SET lock_timeout = '200ms'; SET statement_timeout = '60s'"
NO_LIMITS = "RESET lock_timeout; RESET statement_timeout"

# A lock was not free in time, a limit was reached, a deadlock was ended.
_BUSY = ("55P03", "57014", "40P01")
_PLACE = sa.text("""
    SELECT CASE WHEN i.inhrelid IS NULL THEN 'apart' WHEN i.inhdetachpending THEN 'leaving'
        ELSE 'attached' END
    FROM pg_class c LEFT JOIN pg_inherits i
        ON i.inhrelid = c.oid AND i.inhparent = 'events'::regclass
    WHERE c.oid = CAST(:oid AS oid) AND c.relname = :name
        AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'events'::regclass)
""")


class Place(Enum):
    """Where a partition is on its way out of `events`."""

    ATTACHED = "attached"
    LEAVING = "leaving"  # no new query sees it; an older one may
    APART = "apart"  # it is a table of its own
    GONE = "gone"


def place_of(connection: sa.Connection, oid: int, name: str) -> Place:
    """Return where the partition is."""
    found = connection.scalar(_PLACE, {"oid": oid, "name": name})
    return Place(found or "gone")


def begin_detaching(connection: sa.Connection, sql: str) -> None:
    """Detach the partition, both halves if nobody reads, else the first one."""
    _try(connection, f"ALTER TABLE events DETACH PARTITION {sql} CONCURRENTLY")


def finish_detaching(connection: sa.Connection, sql: str) -> None:
    """Finish the second half, if nobody can see the partition any more."""
    _try(connection, f"ALTER TABLE events DETACH PARTITION {sql} FINALIZE")


def attach_again(connection: sa.Connection, sql: str, span: Span) -> None:
    """Attach a table that was detached; its constraint of then spares reading it."""
    start, end = (instant.isoformat() for instant in span)
    connection.exec_driver_sql(
        f"ALTER TABLE events ATTACH PARTITION {sql} FOR VALUES FROM ('{start}') TO ('{end}')"
    )


def is_busy(error: BaseException | None) -> bool:
    """Return whether the statement may succeed in a moment; also of what the error became."""
    if isinstance(error, StorageError):
        error = error.__cause__
    return isinstance(error, sa.exc.DBAPIError) and sqlstate(error) in _BUSY


def _try(connection: sa.Connection, statement: str) -> None:
    """Run a statement outside of a transaction; what it has done shows `place_of`."""
    try:
        connection.exec_driver_sql(statement)
    except sa.exc.DBAPIError as error:
        if not is_busy(error):
            raise
