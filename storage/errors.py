"""How keeping an event can fail.

StorageError
├── Unavailable            try again later; nothing is wrong with what was asked
│   ├── QueueUnavailable
│   │   ├── QueueFull
│   │   │   └── ShardFull  other shards may have room
│   │   └── KeysFull
│   ├── ControlUnavailable
│   └── DatabaseUnavailable
│       └── QueryTooSlow
├── KeyReused              an idempotency key came with another request than before
├── DatabaseMismatch       its tables or rights are not what this version needs: migrate
├── LeaseLost              another drain has taken this shard over
└── RefusedShare           PostgreSQL refuses so much of a batch that poison can't explain it
"""

from collections.abc import Iterator
from contextlib import contextmanager

import redis.exceptions as redis_errors
import sqlalchemy.exc as sql_errors


class StorageError(Exception):
    """Anything below went wrong while keeping or reading events."""


class Unavailable(StorageError):
    """A server does not answer or can't take more now: the same call may succeed later."""


class QueueUnavailable(Unavailable):
    """The queue can't be reached, is loading, or can't write to its disk."""


class QueueFull(QueueUnavailable):
    """The backlog's limit or the queue's memory is reached; workers make room.

    `retry_seconds`: when there should be room, None where nobody has reckoned it.
    """

    def __init__(self, message: str, retry_seconds: int | None = None) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class ShardFull(QueueFull):
    """The shard's part of the backlog's limit is reached; another shard may have room."""


class KeysFull(QueueUnavailable):
    """As many idempotency keys as allowed are remembered already."""


class ControlUnavailable(Unavailable):
    """Control (RQ and the query cache) can't be reached."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL can't be reached, or can't write at present."""


class QueryTooSlow(DatabaseUnavailable):
    """PostgreSQL cancelled the query at its time limit."""


class DatabaseMismatch(StorageError):
    """PostgreSQL's tables or this user's rights are not what this version needs: migrate."""


class KeyReused(StorageError):
    """An idempotency key came a second time, with another request."""


class LeaseLost(StorageError):
    """The shard belongs to another drain by now; whatever was not committed is left to it."""


class RefusedShare(StorageError):
    """An unusual share of a batch was refused: a bug or a schema mismatch, not poison."""


@contextmanager
def queue_errors() -> Iterator[None]:
    """Turn what redis-py raises for the queue into `QueueUnavailable` or `QueueFull`."""
    try:
        yield
    except redis_errors.OutOfMemoryError as error:
        raise QueueFull("the queue has reached its memory limit") from error
    except redis_errors.RedisError as error:
        raise QueueUnavailable(f"the queue does not answer: {error}") from error


@contextmanager
def control_errors() -> Iterator[None]:
    """Turn what redis-py raises for control into `ControlUnavailable`."""
    try:
        yield
    except redis_errors.RedisError as error:
        raise ControlUnavailable(f"control does not answer: {error}") from error


# SQLSTATE classes after which the same statement may succeed later: connection, transaction
# rolled back, resources, object not in a fit state, operator intervention, I/O, read-only.
_TRANSIENT = ("08", "40", "53", "55", "57", "58", "25")
_QUERY_CANCELED = "57014"

# Classes that say a table, a column, a schema or a right is missing.
_MISMATCH = ("42", "3F")


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what says "PostgreSQL is away" into `DatabaseUnavailable`, and what says "not
    migrated" into `DatabaseMismatch`; let refusals of values pass."""
    try:
        yield
    except sql_errors.TimeoutError as error:
        raise DatabaseUnavailable("no connection to PostgreSQL became free in time") from error
    except sql_errors.DBAPIError as error:
        state = sqlstate(error)
        if state == _QUERY_CANCELED:
            raise QueryTooSlow("PostgreSQL cancelled the query at its time limit") from error
        if error.connection_invalidated or state is None or state.startswith(_TRANSIENT):
            raise DatabaseUnavailable(
                f"PostgreSQL can't answer now: {first_line(error)}"
            ) from error
        if state.startswith(_MISMATCH):
            raise DatabaseMismatch(f"{state}: {first_line(error)}") from error
        raise


def sqlstate(error: sql_errors.DBAPIError) -> str | None:
    """The five-character SQLSTATE of a driver error; None where the server sent none."""
    return getattr(error.orig, "pgcode", None)


def first_line(error: sql_errors.DBAPIError) -> str:
    """What PostgreSQL says is wrong, without its context."""
    return (str(error.orig).splitlines() or [""])[0]
