"""How storing and reading events can fail.

StorageError
├── Unavailable            the request is valid: try it again later
│   ├── QueueUnavailable
│   │   ├── QueueUnsuitable   a cluster, a replica, or too old: configure another server
│   │   ├── QueueFull
│   │   │   └── ShardFull  other shards may have room
│   │   ├── ShardPaused    its last drain failed: try other shards first
│   │   ├── ShardUnusable  its keys can't be written: try other shards
│   │   ├── NotReplicated  the events may be queued, and too few replicas have them
│   │   │   └── ReplicasBehind  nothing was queued, for that reason: try other shards
│   │   └── KeysFull
│   ├── ControlUnavailable
│   │   └── ControlUnsuitable  like QueueUnsuitable
│   └── DatabaseUnavailable
│       ├── QueryTooSlow
│       └── FeedNotReady   an index of the feed is being made
├── SettingsError          a setting is not valid
├── KeyReused              an idempotency key was used for another request before
├── DatabaseMismatch       tables or rights are not those that this version needs: migrate
│   ├── DatabaseUnsuitable too old, or behind a pooler that shares sessions
│   └── SchemaTooNew       its tables need later workers than these
├── AccessError            an API key can't be made, changed or used
│   ├── NoHome             neither the queue nor PostgreSQL does it
│   ├── TooManyKeys        no more keys can be made
│   ├── TooManyAuditLines  the queue keeps no more audit lines: PostgreSQL must be reachable first
│   └── UnreadableKey      a home has something else in the place of a key's record
├── FeedReplaced           the position is one in another feed, as of before a restore
├── Held                   a legal hold keeps events that would be removed
├── RetentionStopped       retention needs an operator: too much is due, or nothing may be removed
├── PartitionNameTaken     a table that is not a partition has the name of one
├── LeaseLost              another drain has taken this shard over
└── RefusedShare           PostgreSQL refuses too much of a batch: poison can't be the reason
"""


class StorageError(Exception):
    """The base of all errors in storing and reading events."""


class Unavailable(StorageError):
    """A server does not answer or has no room now: the same call may succeed later."""


class QueueUnavailable(Unavailable):
    """The queue can't be reached, is loading its data, or can't write to its disk."""


class QueueUnsuitable(QueueUnavailable):
    """The service can't use the server at the queue's address; the message says why."""


class QueueFull(QueueUnavailable):
    """The backlog's limit or the queue's memory limit is reached; workers make room.

    `retry_seconds`: when there should be room, None if unknown.
    """

    def __init__(self, message: str, retry_seconds: int | None = None) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class ShardFull(QueueFull):
    """The shard's share of the backlog's limit is reached; another shard may have room."""


class ShardPaused(QueueUnavailable):
    """The last drain of the shard failed; it takes events only if no other shard does."""


class ShardUnusable(QueueUnavailable):
    """A shard's keys can't be written (wrong type, no ID left); another shard may take events."""


class NotReplicated(QueueUnavailable):
    """Too few replicas of the queue have confirmed a write in time; they may have it later."""


class ReplicasBehind(NotReplicated):
    """Too few replicas of a shard had confirmed the write before, so nothing was written."""


class KeysFull(QueueUnavailable):
    """The limit of remembered idempotency keys is reached."""


class ControlUnavailable(Unavailable):
    """Control (RQ and the query cache) can't be reached."""


class ControlUnsuitable(ControlUnavailable):
    """The service can't use the server at control's address; the message says why."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL can't be reached or can't write now."""


class QueryTooSlow(DatabaseUnavailable):
    """PostgreSQL cancelled the query at its time limit."""


class FeedNotReady(DatabaseUnavailable):
    """The feed can't be read yet: maintenance makes its index for each older partition."""


class DatabaseMismatch(StorageError):
    """PostgreSQL's tables or this user's rights are not those that this version needs: migrate."""


class DatabaseUnsuitable(DatabaseMismatch):
    """PostgreSQL is too old, or behind a pooler that shares sessions; the message has a remedy."""


class SchemaTooNew(DatabaseMismatch):
    """A later version has migrated the database, and these workers do not know its tables."""


class AccessError(StorageError):
    """An API key can't be made, changed or used."""


class NoHome(AccessError):
    """Neither the queue nor PostgreSQL can read or write API keys now."""


class TooManyKeys(AccessError):
    """The maximum number of API keys is reached; the message has a remedy."""


class TooManyAuditLines(AccessError):
    """Too many audit lines wait on the queue for PostgreSQL; the act was not done."""


class UnreadableKey(AccessError):
    """A home has something else in the place of a key's record; the message has a remedy."""


class FeedReplaced(StorageError):
    """The position belongs to another feed: the database was restored since, or it is another."""


class Held(StorageError):
    """A legal hold keeps events that would be removed; the message names the holds."""


class RetentionStopped(StorageError):
    """Retention does not do what the settings ask; the message says why, and what to do."""


class PartitionNameTaken(StorageError):
    """A table that is no partition of `events` has the name of one; the message has a remedy."""


class SettingsError(StorageError):
    """A setting is not valid; the message names its variable, and never its value."""


class KeyReused(StorageError):
    """An idempotency key was used a second time, for another request."""


class LeaseLost(StorageError):
    """Another drain has the shard now, and stores what was not committed."""


class RefusedShare(StorageError):
    """Too many events of a batch were refused: the cause is a bug or the schema, not poison."""
