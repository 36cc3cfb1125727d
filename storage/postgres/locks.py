"""Advisory locks of PostgreSQL: what only one process may do at a time."""

from enum import StrEnum

import sqlalchemy as sa

from storage.server_errors import sqlstate

_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtext(:name))")
_LOCK_SHARED = sa.text("SELECT pg_advisory_xact_lock_shared(hashtext(:name))")
_TRY_LOCK = sa.text("SELECT pg_try_advisory_xact_lock(hashtext(:name))")
_LOCK_FOR_SESSION = sa.text("SELECT pg_advisory_lock(hashtext(:name))")
_TRY_LOCK_FOR_SESSION = sa.text("SELECT pg_try_advisory_lock(hashtext(:name))")
_TRY_SHARED_FOR_SESSION = sa.text("SELECT pg_try_advisory_lock_shared(hashtext(:name))")
_UNLOCK_SHARED = sa.text("SELECT pg_advisory_unlock_shared(hashtext(:name))")
_NOT_IN_TIME = ("55P03", "40P01")  # a time limit, a deadlock
_UNLOCK = sa.text("SELECT pg_advisory_unlock(hashtext(:name))")


class Lock(StrEnum):
    """Every advisory lock, by the name that processes of all versions agree on."""

    MIGRATIONS = "activity migrations"
    PARTITIONS = "activity partitions"
    REPLAY = "activity replay"
    API_KEYS = "activity api keys"
    EVENT_COUNTS = "activity event counts"
    NGRAM_RECORDS = "activity message n-grams"
    ERASURE = "activity erasure"
    PARTITION_INDEXES = "activity partition indexes"
    LEGAL_HOLDS = "activity legal holds"
    RETENTION = "activity retention"


def acquire(connection: sa.Connection, lock: Lock) -> None:
    """Wait for the lock, and hold it until the transaction ends."""
    connection.execute(_LOCK, {"name": str(lock)})


def acquire_shared(connection: sa.Connection, lock: Lock) -> None:
    """Wait for the lock, and hold it with others until the transaction ends."""
    connection.execute(_LOCK_SHARED, {"name": str(lock)})


def try_acquire(connection: sa.Connection, lock: Lock) -> bool:
    """Take the lock until the transaction ends; return False if another transaction holds it."""
    return bool(connection.scalar(_TRY_LOCK, {"name": str(lock)}))


def try_acquire_for_session(connection: sa.Connection, lock: Lock) -> bool:
    """Take the lock until `release_for_session`; return False if another session holds it."""
    return bool(connection.scalar(_TRY_LOCK_FOR_SESSION, {"name": str(lock)}))


def acquire_for_session(connection: sa.Connection, lock: Lock, wait_ms: int) -> bool:
    """Take the lock until `release_for_session`; return False if it is not free in time.

    Who waits comes before those who only try. Call it outside of a transaction.
    """
    connection.exec_driver_sql(f"SET lock_timeout = {wait_ms}")
    try:
        connection.execute(_LOCK_FOR_SESSION, {"name": str(lock)})
    except sa.exc.DBAPIError as error:
        if sqlstate(error) not in _NOT_IN_TIME:
            raise
        return False
    finally:
        if not connection.invalidated:
            connection.exec_driver_sql("RESET lock_timeout")
    return True


def release_for_session(connection: sa.Connection, lock: Lock) -> None:
    """Release what was taken for the session. The end of the session does it too."""
    connection.execute(_UNLOCK, {"name": str(lock)})


def try_acquire_shared_for_session(connection: sa.Connection, lock: Lock) -> bool:
    """Take the lock with others until `release_shared_for_session`; False if one has it alone."""
    return bool(connection.scalar(_TRY_SHARED_FOR_SESSION, {"name": str(lock)}))


def release_shared_for_session(connection: sa.Connection, lock: Lock) -> None:
    """Release what `try_acquire_shared_for_session` has taken."""
    connection.execute(_UNLOCK_SHARED, {"name": str(lock)})
