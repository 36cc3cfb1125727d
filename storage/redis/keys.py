"""Every Redis key, in one place; docs/architecture.md has the table with explanations.

The braces are a Redis Cluster hash tag: all keys of one shard live in one slot, so a script
may touch all of them.
"""

SHARD_COUNT = "events:shards"  # queue: zset, member "count": the most shards ever configured

API_KEYS = "keys"  # queue: hash, id of an API key -> its record as JSON
API_KEYS_VERSION = "keys:version"  # queue: string, another one after each change of API_KEYS
PENDING_AUDIT = "keys:audit"  # queue: list, audit lines of API_KEYS that PostgreSQL may lack

PROBE = "events:probe"  # queue: string, written to check whether the queue fsyncs

GENERATIONS = "cache:tag_generations"  # control: hash, see cache/lua/common.lua
PENDING_WRITERS = (
    "cache:pending_writers"  # control: zset, shard -> oldest created_at (ms) of its pending commit
)

STORED_CHANNEL = "feed:stored"  # control: pub/sub channel, which writer has stored events now

REFUSED_JOBS = "rq:refused:drain"  # control: string, TTL: dropped entries of RQ's list


IDEMPOTENCY_RECORDS = "events:{*}:once:*"
"""The pattern of all `idempotency_record` names."""

IDEMPOTENCY_EXPIRIES = "events:{*}:once"
"""The pattern of all `idempotency_expiry` names."""


def stream(shard: int) -> str:
    """Queue: stream of the shard's events; each entry's field `e` is an event's JSON."""
    return f"events:{{{shard}}}"


def state(shard: int) -> str:
    """Queue: hash, see queue/lua/common.lua."""
    return f"events:{{{shard}}}:state"


def ids(shard: int) -> str:
    """Queue: hash, the 16 id bytes of each queued event -> its entry in the stream."""
    return f"events:{{{shard}}}:ids"


def tombstones(shard: int) -> str:
    """Queue: hash, ID of an erasure -> whose events of this shard are being erased, as JSON."""
    return f"events:{{{shard}}}:erasing"


def idempotency_record(shard: int, key: bytes) -> str:
    """Queue: string with a TTL: fingerprint of an idempotency key's request, then its stamp."""
    return f"events:{{{shard}}}:once:{key.hex()}"


def idempotency_expiry(shard: int) -> str:
    """Queue: zset of the shard's idempotency records by expiry time (ms): bounds their number."""
    return f"events:{{{shard}}}:once"


def pending_tags(writer: int | str) -> str:
    """Control: set of the cache tags that a drain, a replay or retention is about to change."""
    return f"cache:pending_tags:{writer}"


def page(digest: str) -> str:
    """Control: hash with a TTL: `generations`, `body` and `etag` of a cached page."""
    return f"cache:page:{digest}"


def page_lock(digest: str) -> str:
    """Control: string with a TTL, there while a process runs the query of that page."""
    return f"cache:lock:{digest}"


def day(digest: str, day: int) -> str:
    """Control: hash with a TTL: `generations` and `body` of a closed day, numbered from 1970."""
    return f"cache:day:{digest}:{day}"


EVERY_DAY = "cache:day:*"  # control: pattern of all of them


def limit(key_id: str) -> str:
    """Control: hash, see access/lua/grant.lua; with a TTL unless the key has a limit of a day."""
    return f"limit:{key_id}"


def minute_sample(minute: int) -> str:
    """Control: hash with a TTL: what counters said as that minute (from 1970) began."""
    return f"rates:{minute}"


def sessions(key_id: str) -> str:
    """Control: zset with a TTL: proof of a session of this API key -> when it ends (seconds)."""
    return f"session:{key_id}"
