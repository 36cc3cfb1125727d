"""Every Redis key, in one place; docs/architecture.md has the table with explanations.

The braces are a Redis Cluster hash tag: all keys of one shard live in one slot, so a script
may touch all of them. On one server the tag of a shard is its number.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from storage.redis.cluster import is_cluster

Tag = int | str

SHARD_COUNT = "events:shards"  # queue: zset, member "count": the most shards ever configured

API_KEYS = "keys"  # queue: hash, id of an API key -> its record as JSON
API_KEYS_VERSION = "keys:version"  # queue: string, another one after each change of API_KEYS
PENDING_AUDIT = "keys:audit"  # queue: list, audit lines of API_KEYS that PostgreSQL may lack

# What follows the number of a shard in its tag on a cluster. Chosen once: the slots of the first
# shards spread over 2 to 6 or 8 primaries that have equal ranges of slots: up to 29 shards with at
# most one shard more on one than on another, 64 with two. Another number would hide what waits.
_SUFFIXES = (
    310, 244, 446, 721, 835, 1070, 377, 131, 129, 316, 1279, 230, 177, 687, 211, 20, 284, 399, 1284,
    92, 2729, 320, 754, 4, 550, 756, 1196, 1118, 1536, 114, 1227, 503, 45, 2380, 1671, 614, 1708,
    1623, 783, 1729, 253, 1407, 1302, 255, 2927, 1798, 1103, 605, 1257, 1395, 1189, 202, 1329, 55,
    64, 654, 296, 131, 689, 1207, 371, 31, 1240, 751,
)  # fmt: skip
_ON_ONE_SERVER: Sequence[Tag] = range(len(_SUFFIXES))
ON_CLUSTER: Sequence[Tag] = tuple(f"{n}-{suffix}" for n, suffix in enumerate(_SUFFIXES))


def tags(client: Any) -> Sequence[Tag]:
    """Return the tags of the shards, by their numbers, for the queue of this client."""
    return ON_CLUSTER if is_cluster(client) else _ON_ONE_SERVER


class ApiKeyNames(NamedTuple):
    """The names of API_KEYS, API_KEYS_VERSION and PENDING_AUDIT; on a cluster all in one slot."""

    keys: str
    version: str
    audit: str


def api_key_names(client: Any) -> ApiKeyNames:
    """Return the names for the queue of this client."""
    if is_cluster(client):
        return ApiKeyNames(API_KEYS, f"{{{API_KEYS}}}:version", f"{{{API_KEYS}}}:audit")
    return ApiKeyNames(API_KEYS, API_KEYS_VERSION, PENDING_AUDIT)


def shard_count(shard: Tag) -> str:
    """Queue on a cluster: what SHARD_COUNT is on one server, with each shard."""
    return f"events:{{{shard}}}:shards"


def probe(shard: Tag) -> str:
    """Queue on a cluster: what PROBE is on one server, for the primary with the shard."""
    return probe_of(stream(shard))


def probe_of(stream: str) -> str:
    """Return the probe of the shard with this stream."""
    return f"{stream}:probe"


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


def stream(shard: Tag) -> str:
    """Queue: stream of the shard's events; each entry's field `e` is an event's JSON."""
    return f"events:{{{shard}}}"


def state(shard: Tag) -> str:
    """Queue: hash, see queue/lua/common.lua."""
    return f"events:{{{shard}}}:state"


def ids(shard: Tag) -> str:
    """Queue: hash, the 16 id bytes of each queued event -> its entry in the stream."""
    return f"events:{{{shard}}}:ids"


def tombstones(shard: Tag) -> str:
    """Queue: hash, ID of an erasure -> whose events of this shard are being erased, as JSON."""
    return f"events:{{{shard}}}:erasing"


def idempotency_record(shard: Tag, key: bytes) -> str:
    """Queue: string with a TTL: fingerprint of an idempotency key's request, then its stamp."""
    return f"events:{{{shard}}}:once:{key.hex()}"


def idempotency_expiry(shard: Tag) -> str:
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
