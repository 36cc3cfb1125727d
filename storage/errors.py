"""How keeping an event can fail.

StorageError
├── Unavailable            try again later; nothing is wrong with what was asked
│   ├── QueueUnavailable
│   │   ├── QueueUnsuitable   a cluster, a replica, or too old: name another server
│   │   ├── QueueFull
│   │   │   └── ShardFull  other shards may have room
│   │   ├── ShardPaused    its last drain failed: other shards may do better
│   │   ├── ShardUnusable  its keys can't be written: other shards may do better
│   │   └── KeysFull
│   ├── ControlUnavailable
│   │   └── ControlUnsuitable the same for control
│   └── DatabaseUnavailable
│       └── QueryTooSlow
├── SettingsError          a setting is not acceptable
├── KeyReused              an idempotency key came with another request than before
├── DatabaseMismatch       its tables or rights are not what this version needs: migrate
│   └── DatabaseUnsuitable too old, or behind a pooler that shares sessions
├── PartitionNameTaken     a table that is no partition has the name of one: attach or rename it
├── LeaseLost              another drain has taken this shard over
└── RefusedShare           PostgreSQL refuses so much of a batch that poison can't be the reason
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import redis.exceptions as redis_errors
import sqlalchemy.exc as sql_errors


class StorageError(Exception):
    """Anything below went wrong while keeping or reading events."""


class Unavailable(StorageError):
    """A server does not answer or can't take more now: the same call may succeed later."""


class QueueUnavailable(Unavailable):
    """The queue can't be reached, is loading, or can't write to its disk."""


class QueueUnsuitable(QueueUnavailable):
    """What answers as the queue is no server that the service can use; the text says why."""


class QueueFull(QueueUnavailable):
    """The backlog's limit or the queue's memory is reached; workers make room.

    `retry_seconds`: when there should be room, None where that is unknown.
    """

    def __init__(self, message: str, retry_seconds: int | None = None) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class ShardFull(QueueFull):
    """The shard's part of the backlog's limit is reached; another shard may have room."""


class ShardPaused(QueueUnavailable):
    """The last drain of the shard failed; it takes events only where no other shard does."""


class ShardUnusable(QueueUnavailable):
    """A shard's keys can't be written (wrong type, no id left); another shard may take events."""


class KeysFull(QueueUnavailable):
    """As many idempotency keys as allowed are remembered already."""


class ControlUnavailable(Unavailable):
    """Control (RQ and the query cache) can't be reached."""


class ControlUnsuitable(ControlUnavailable):
    """What answers as control is no server that the service can use; the text says why."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL can't be reached, or can't write at present."""


class QueryTooSlow(DatabaseUnavailable):
    """PostgreSQL cancelled the query at its time limit."""


class DatabaseMismatch(StorageError):
    """PostgreSQL's tables or this user's rights are not what this version needs: migrate."""


class DatabaseUnsuitable(DatabaseMismatch):
    """PostgreSQL is too old, or behind a pooler that shares sessions; the text says the remedy."""


class PartitionNameTaken(StorageError):
    """A table that is no partition of `events` has a partition's name; the text says the remedy."""


class SettingsError(StorageError):
    """A setting is not acceptable; the text names its variable, and never its value."""


class KeyReused(StorageError):
    """An idempotency key came a second time, with another request."""


class LeaseLost(StorageError):
    """The shard belongs to another drain by now; whatever was not committed is left to it."""


class RefusedShare(StorageError):
    """An unusual share of a batch was refused: a bug or a schema mismatch, not poison."""


_OF_SHARD = "SHARD "  # how the appending scripts begin an error, see queue/lua/common.lua


@contextmanager
def queue_errors() -> Iterator[None]:
    """Turn what redis-py raises for the queue into `QueueUnavailable` or one of its kinds."""
    try:
        yield
    except redis_errors.OutOfMemoryError as error:
        raise QueueFull("the queue has reached its memory limit") from error
    except redis_errors.RedisError as error:
        if str(error).startswith(_OF_SHARD):
            why = str(error).removeprefix(_OF_SHARD)
            raise ShardUnusable(f"a shard of the queue can't take events: {why}") from error
        raise QueueUnavailable(f"the queue does not answer: {error}") from error


@contextmanager
def control_errors() -> Iterator[None]:
    """Turn what redis-py raises for control into `ControlUnavailable`."""
    try:
        yield
    except redis_errors.RedisError as error:
        raise ControlUnavailable(f"control does not answer: {error}") from error


class Meaning(Enum):
    """What an SQLSTATE says about the statement that it ended."""

    AWAY = "the same statement may succeed later: it is the server's or the session's state"
    MISMATCH = "a table, a column, a schema or a right is missing: migrate"
    REFUSAL = "the server will not take these rows, and takes others"


# By class (PostgreSQL 18, appendix A). A class that is not listed is a REFUSAL: its rows are parted
# from the others and kept as dead letters, and where all rows are refused the drain pauses, so that
# a wrong guess makes few dead letters.
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
    # Internal errors and corrupted data (XX001, XX002): a damaged page refuses the rows that it
    # would take, again at each try, and the others are fine. Waiting mends no page; and the dead
    # letters keep the rows' bytes on other pages, to be replayed once it is mended.
    "XX": Meaning.REFUSAL,
}
_QUERY_CANCELED = "57014"
_CHECK_VIOLATION = "23514"
_FINDS_PARTITION = "ExecFindPartition"  # since PostgreSQL 11
_PARTITIONED = "events"
_SAID_CHARACTERS = 500


def meaning(error: sql_errors.DBAPIError) -> Meaning:
    """What PostgreSQL's answer says; AWAY where there was none."""
    state = sqlstate(error)
    if error.connection_invalidated or state is None:
        return Meaning.AWAY
    return _MEANINGS.get(state[:2], Meaning.REFUSAL)


def lacks_partition(error: sql_errors.DBAPIError) -> bool:
    """Whether a row found no partition of `events`.

    PostgreSQL says that with an SQLSTATE and a table that a trigger may name too. The function of
    the server that has raised the error is the server's own to say.
    """
    said = getattr(error.orig, "diag", None)
    return (
        sqlstate(error) == _CHECK_VIOLATION
        and getattr(said, "source_function", None) == _FINDS_PARTITION
        and getattr(said, "table_name", None) == _PARTITIONED
    )


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what says "PostgreSQL is away" into `DatabaseUnavailable`, and what says "not
    migrated" into `DatabaseMismatch`; let refusals of values pass."""
    try:
        yield
    except sql_errors.TimeoutError as error:
        raise DatabaseUnavailable("no connection to PostgreSQL became free in time") from error
    except sql_errors.DBAPIError as error:
        if sqlstate(error) == _QUERY_CANCELED:
            raise QueryTooSlow("PostgreSQL cancelled the query at its time limit") from error
        kind = meaning(error)
        if kind is Meaning.AWAY:
            raise DatabaseUnavailable(
                f"PostgreSQL can't answer now: {first_line(error)}"
            ) from error
        if kind is Meaning.MISMATCH:
            raise DatabaseMismatch(describe(error)) from error
        raise


def sqlstate(error: sql_errors.DBAPIError) -> str | None:
    """The five-character SQLSTATE of a driver error; None where the server sent none."""
    return getattr(error.orig, "pgcode", None)


def first_line(error: sql_errors.DBAPIError) -> str:
    """What PostgreSQL says is wrong, without its context."""
    return (str(error.orig).splitlines() or [""])[0][:_SAID_CHARACTERS]


def describe(error: sql_errors.DBAPIError) -> str:
    """Return the SQLSTATE and what PostgreSQL says is wrong, without the statement's values."""
    return f"{sqlstate(error)}: {first_line(error)}"
