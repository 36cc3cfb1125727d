"""Make the indexes that came later for partitions that are older than them.

Neither readers nor writers wait: CREATE INDEX CONCURRENTLY, one partition after another, the latest
first. A later partition has the indexes from the beginning, as it is made like `events`. Killed at
any step, the next call goes on from there.
"""

import sqlalchemy as sa

from storage.postgres import locks
from storage.postgres.engine import outside_transaction
from storage.postgres.locks import Lock

LATER_INDEXES = {
    "events_occurred": "USING brin (COALESCE(occurred_at, created_at))",
    "events_feed": "USING btree (feed) WHERE feed > 0",
}
"""The indexes of `events` that a migration made for later partitions only."""

_LIMITS = "SET statement_timeout = '10min'; SET lock_timeout = '1s'"
_NO_LIMITS = "RESET statement_timeout; RESET lock_timeout"
_LACKING = """
    SELECT c.oid::regclass::text AS partition, c.relname,
        format('%I', left(c.relname, 50) || substr(:index, 7)) AS name
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'events'::regclass AND to_regclass(:index) IS NOT NULL
        AND NOT i.inhdetachpending AND NOT EXISTS (
            SELECT FROM pg_inherits a JOIN pg_index y ON y.indexrelid = a.inhrelid
            WHERE a.inhparent = to_regclass(:index) AND y.indrelid = c.oid
        )
    ORDER BY c.relname DESC LIMIT 1
"""
_NEXT = sa.text(f"""
    WITH lacking AS ({_LACKING})
    SELECT partition, name, x.indexrelid IS NOT NULL AS is_there,
        coalesce(x.indisvalid, false) AS is_valid
    FROM lacking LEFT JOIN pg_index x ON x.indexrelid = to_regclass(name)
""")


def latest_without(connection: sa.Connection, index: str) -> str | None:
    """Return the latest partition that lacks this index of LATER_INDEXES, None if none does."""
    found: str | None = connection.scalar(sa.text(_LACKING), {"index": index})
    return found


def make_next(engine: sa.Engine) -> str | None:
    """Make an index of the latest partition without it; return the partition.

    Returns None if none lacks one, or if another process makes one. Raises DatabaseUnavailable, as
    if a query holds a lock for long: try again later.
    """
    with outside_transaction(engine) as connection:
        if not locks.try_acquire_for_session(connection, Lock.PARTITION_INDEXES):
            return None
        try:
            connection.exec_driver_sql(_LIMITS)
            made = (_make_next(connection, index) for index in LATER_INDEXES)
            return next(filter(None, made), None)
        finally:
            if not connection.invalidated:  # a session that is gone has no locks
                connection.exec_driver_sql(_NO_LIMITS)
                locks.release_for_session(connection, Lock.PARTITION_INDEXES)


def _make_next(connection: sa.Connection, index: str) -> str | None:
    found = connection.execute(_NEXT, {"index": index}).one_or_none()
    if found is None:
        return None
    if found.is_there and not found.is_valid:  # of a process that was killed
        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {found.name}")
    if not found.is_valid:
        connection.exec_driver_sql(
            f"CREATE INDEX CONCURRENTLY {found.name} ON {found.partition} {LATER_INDEXES[index]}"
        )
    connection.exec_driver_sql(f"ALTER INDEX {index} ATTACH PARTITION {found.name}")
    return str(found.partition)
