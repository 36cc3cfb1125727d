"""Make the index of when events happened for partitions that are older than it.

Neither readers nor writers wait: CREATE INDEX CONCURRENTLY, one partition after another, the latest
first. A later partition has the index from the beginning, as it is made like `events`. Killed at
any step, the next call goes on from there.
"""

import sqlalchemy as sa

from storage.postgres import locks
from storage.postgres.engine import outside_transaction
from storage.postgres.locks import Lock

_LIMITS = "SET statement_timeout = '10min'; SET lock_timeout = '1s'"
_NO_LIMITS = "RESET statement_timeout; RESET lock_timeout"
_NEXT = sa.text("""
    SELECT c.oid::regclass::text AS partition, format('%I', of.name) AS name,
        x.indexrelid IS NOT NULL AS is_there, coalesce(x.indisvalid, false) AS is_valid
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (SELECT left(c.relname, 50) || '_occurred' AS name) of
    LEFT JOIN pg_index x ON x.indexrelid = to_regclass(format('%I', of.name))
    WHERE i.inhparent = 'events'::regclass AND to_regclass('events_occurred') IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM pg_inherits a JOIN pg_index y ON y.indexrelid = a.inhrelid
            WHERE a.inhparent = to_regclass('events_occurred') AND y.indrelid = c.oid
        )
    ORDER BY c.relname DESC LIMIT 1
""")


def make_next(engine: sa.Engine) -> str | None:
    """Make the index of the latest partition without one; return the partition.

    Returns None if none lacks it, or if another process makes one. Raises DatabaseUnavailable, as
    if a query holds a lock for long: try again later.
    """
    with outside_transaction(engine) as connection:
        if not locks.try_acquire_for_session(connection, Lock.PARTITION_INDEXES):
            return None
        try:
            connection.exec_driver_sql(_LIMITS)
            return _make_next(connection)
        finally:
            if not connection.invalidated:  # a session that is gone has no locks
                connection.exec_driver_sql(_NO_LIMITS)
                locks.release_for_session(connection, Lock.PARTITION_INDEXES)


def _make_next(connection: sa.Connection) -> str | None:
    found = connection.execute(_NEXT).one_or_none()
    if found is None:
        return None
    if found.is_there and not found.is_valid:  # of a process that was killed
        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {found.name}")
    if not found.is_valid:
        connection.exec_driver_sql(
            f"CREATE INDEX CONCURRENTLY {found.name} ON {found.partition} "
            "USING brin (COALESCE(occurred_at, created_at))"
        )
    connection.exec_driver_sql(f"ALTER INDEX events_occurred ATTACH PARTITION {found.name}")
    return str(found.partition)
