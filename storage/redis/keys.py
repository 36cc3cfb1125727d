"""Every Redis key, in one place; docs/architecture.md has the same table in words.

The braces are a Redis Cluster hash tag: all keys of one shard live in one slot, so a script
may touch all of them.
"""

SHARD_COUNT = "events:shards"  # queue: zset, member "count": the most shards ever configured

PROBE = "events:probe"  # queue: string, written to see whether the queue fsyncs

GENERATIONS = "cache:tag_generations"  # control: hash, see cache/lua/common.lua
PENDING_WRITERS = (
    "cache:pending_writers"  # control: zset, shard -> oldest created_at (ms) about to be committed
)

REFUSED_JOBS = "rq:refused:drain"  # control: how many entries of RQ's list were no drains, TTL


def stream(shard: int) -> str:
    """Queue: the shard's events, one entry each, field `e` = the event's JSON."""
    return f"events:{{{shard}}}"


def state(shard: int) -> str:
    """Queue: hash see queue/lua/common.lua."""
    return f"events:{{{shard}}}:state"


def ids(shard: int) -> str:
    """Queue: hash, an event's 16 id bytes -> its entry in the stream, while it is queued."""
    return f"events:{{{shard}}}:ids"


def idempotency_record(shard: int, key: bytes) -> str:
    """Queue: what an idempotency key was used for, with a TTL: fingerprint, then the answer."""
    return f"events:{{{shard}}}:once:{key.hex()}"


def idempotency_expiry(shard: int) -> str:
    """Queue: zset of the shard's idempotency records by the end of their time: bounds them."""
    return f"events:{{{shard}}}:once"


def pending_tags(writer: int | str) -> str:
    """Control: set of the cache tags that a shard's drain, or a replay, is about to change."""
    return f"cache:pending_tags:{writer}"


def page(digest: str) -> str:
    """Control: hash `generations body etag` of one cached page, with a TTL."""
    return f"cache:page:{digest}"


def page_lock(digest: str) -> str:
    """Control: set while a process runs the query of that page, with a TTL."""
    return f"cache:lock:{digest}"
