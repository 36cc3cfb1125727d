"""What the errors of redis-py and SQLAlchemy mean for the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import redis.exceptions as redis_errors
import sqlalchemy.exc as sql_errors

from storage.errors import (
    ControlUnavailable,
    DatabaseMismatch,
    DatabaseUnavailable,
    DatabaseUnsuitable,
    QueryTooSlow,
    QueueFull,
    QueueUnavailable,
    ShardUnusable,
    StorageError,
    Unavailable,
)
from storage.logs.redaction import redact

SHARD_PREFIX = "SHARD "  # of errors of the appending scripts, see queue/lua/common.lua


@contextmanager
def queue_errors() -> Iterator[None]:
    """Turn redis-py's errors of the queue into `QueueUnavailable` or one of its subclasses."""
    try:
        yield
    except redis_errors.OutOfMemoryError as error:
        raise QueueFull("the queue has reached its memory limit") from error
    except redis_errors.ClusterError as error:  # the servers of other shards may take events
        raise ShardUnusable(f"a shard of the queue moves or has no server: {error}") from error
    except redis_errors.RedisError as error:
        if str(error).startswith(SHARD_PREFIX):
            reason = str(error).removeprefix(SHARD_PREFIX)
            raise ShardUnusable(f"a shard of the queue can't take events: {reason}") from error
        raise QueueUnavailable(f"the queue does not answer: {error}") from error


@contextmanager
def control_errors() -> Iterator[None]:
    """Turn redis-py's errors of control into `ControlUnavailable`."""
    try:
        yield
    except redis_errors.RedisError as error:
        raise ControlUnavailable(f"control does not answer: {error}") from error


class Meaning(Enum):
    """What an SQLSTATE means for the statement that failed with it."""

    AWAY = "the server or the session is not ready: the same statement may succeed later"
    MISMATCH = "a table, a column, a schema or a right is missing: migrate"
    REFUSAL = "the server refuses these rows, and takes others"


# By class (PostgreSQL 18, appendix A). A class that is not listed counts as REFUSAL: its rows
# become dead letters, and the others are stored. If all rows are refused, the drain pauses, so a
# wrong guess makes few dead letters.
_MEANINGS = {
    "08": Meaning.AWAY,  # connection
    "25": Meaning.AWAY,  # invalid transaction state: read-only, at its time limit
    "28": Meaning.AWAY,  # authorisation of the session
    "40": Meaning.AWAY,  # transaction rolled back: serialisation, deadlock
    "53": Meaning.AWAY,  # resources: disk full, out of memory, too many connections
    "55": Meaning.AWAY,  # object not in a fit state: locked, in use
    "57": Meaning.AWAY,  # operator intervention: cancelled, shutting down, starting
    "58": Meaning.AWAY,  # I/O errors of the server's system
    "F0": Meaning.AWAY,  # configuration file
    "3D": Meaning.MISMATCH,  # no such database
    "3F": Meaning.MISMATCH,  # no such schema
    "42": Meaning.MISMATCH,  # no such table or column, no right
    "09": Meaning.REFUSAL,  # triggered action
    "0A": Meaning.REFUSAL,  # not supported
    "21": Meaning.REFUSAL,  # cardinality
    "22": Meaning.REFUSAL,  # data
    "23": Meaning.REFUSAL,  # integrity constraint
    "27": Meaning.REFUSAL,  # triggered data change
    "2F": Meaning.REFUSAL,  # SQL routine
    "38": Meaning.REFUSAL,  # external routine
    "39": Meaning.REFUSAL,  # external routine invocation
    "54": Meaning.REFUSAL,  # program limit: too large for its index
    "P0": Meaning.REFUSAL,  # RAISE in PL/pgSQL
    # Internal errors and corrupted data (XX001, XX002): a damaged page refuses its rows at each
    # try, and other rows are fine. Waiting repairs no page. The dead letters keep the rows' bytes
    # on other pages, and can be replayed once the page is repaired.
    "XX": Meaning.REFUSAL,
}
_NOT_MIGRATED = ("42P01", "42703", "42883", "3F000")  # no such table, column, function or schema
_QUERY_CANCELED = "57014"
_CONFLICTS = ("40001", "40P01")
_CHECK_VIOLATION = "23514"
_PARTITION_SEARCH = "ExecFindPartition"  # the server's function, since PostgreSQL 11
_PARTITIONED = "events"
_MAX_CHARACTERS = 500


def meaning(error: sql_errors.DBAPIError) -> Meaning:
    """Return what an error of PostgreSQL means; AWAY if the server sent none."""
    state = sqlstate(error)
    if error.connection_invalidated or state is None:
        return Meaning.AWAY
    return _MEANINGS.get(state[:2], Meaning.REFUSAL)


def lacks_partition(error: sql_errors.DBAPIError) -> bool:
    """Return whether a row found no partition of `events`.

    A trigger may raise the same SQLSTATE for the same table. But it can't set the function of the
    server that has raised the error.
    """
    diagnostics = getattr(error.orig, "diag", None)
    return (
        sqlstate(error) == _CHECK_VIOLATION
        and getattr(diagnostics, "source_function", None) == _PARTITION_SEARCH
        and getattr(diagnostics, "table_name", None) == _PARTITIONED
    )


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn SQLAlchemy's errors into `DatabaseUnavailable` and `DatabaseMismatch`, by their meaning.

    A refusal of rows passes unchanged.
    """
    try:
        yield
    except sql_errors.TimeoutError as error:
        raise DatabaseUnavailable(
            "all connections to PostgreSQL were in use for too long"
        ) from error
    except sql_errors.DBAPIError as error:
        if is_cancelled(error):
            raise QueryTooSlow("PostgreSQL cancelled the query at its time limit") from error
        kind = meaning(error)
        if kind is Meaning.AWAY:
            raise DatabaseUnavailable(
                f"PostgreSQL can't answer now: {first_line(error)}"
            ) from error
        if kind is Meaning.MISMATCH:
            remedy = ": run `activity migrate`" if sqlstate(error) in _NOT_MIGRATED else ""
            raise DatabaseMismatch(describe(error) + remedy) from error
        raise


def refusal(error: StorageError) -> str | None:
    """Return why a server that answers did not answer this question; None if the server is away.

    The reason may be a missing right, a command or a table that it does not have, or its time
    limit.
    """
    if isinstance(error.__cause__, redis_errors.ResponseError):
        return str(error.__cause__)
    if isinstance(error, Unavailable | DatabaseUnsuitable) and not isinstance(error, QueryTooSlow):
        return None
    return str(error)


def is_cancelled(error: sql_errors.DBAPIError) -> bool:
    """Return whether PostgreSQL cancelled the statement, at its time limit or for an operator."""
    return sqlstate(error) == _QUERY_CANCELED


def is_recovery_conflict(error: Exception) -> bool:
    """Return whether a standby has cancelled a read to replay what the primary did meanwhile.

    In a snapshot that only reads, nothing else ends with these codes.
    """
    cause = error.__cause__ if isinstance(error, StorageError) else error
    if not isinstance(cause, sql_errors.DBAPIError):
        return False
    state = sqlstate(cause)
    return state in _CONFLICTS or "conflict with recovery" in first_line(cause)


def sqlstate(error: sql_errors.DBAPIError) -> str | None:
    """Return the five-character SQLSTATE of a driver error, None if the server sent none."""
    return getattr(error.orig, "pgcode", None)


def first_line(error: sql_errors.DBAPIError) -> str:
    """Return PostgreSQL's message, without its detail, its context and secrets."""
    return redact((str(error.orig).splitlines() or [""])[0])[:_MAX_CHARACTERS]


def describe(error: sql_errors.DBAPIError) -> str:
    """Return the SQLSTATE and what PostgreSQL says is wrong, without the statement's values."""
    return f"{sqlstate(error)}: {first_line(error)}"
