"""How many shards there are: as configured, or more if more were announced before."""

from typing import Any, cast

import redis

from storage.redis import keys
from storage.redis.cluster import is_cluster
from storage.settings import MAX_SHARDS


def announced_shards(client: redis.Redis, configured: int) -> float | None:
    """Return the highest number of shards announced to the queue, None if none was.

    On a cluster the shards that answer count. Raises redis-py's errors.
    """
    found: list[float | None] = []
    failed = None
    for name in shard_count_names(client, configured):
        try:
            found.append(cast(Any, client.zscore(name, "count")))
        except redis.RedisError as error:
            failed = error
    if failed and not found:
        raise failed
    return max((count for count in found if count is not None), default=None)


def shard_count_names(client: Any, shards: int) -> list[str]:
    """Return the keys that have the number of shards; on a cluster each of these shards has one."""
    if not is_cluster(client):
        return [keys.SHARD_COUNT]
    return [keys.shard_count(tag) for tag in keys.tags(client)[:shards]]


def shard_count(configured: int, announced: float | None) -> int:
    """Return the number of shards. Bound `announced`: others may have written it to the queue."""
    return max(configured, int(min(max(announced or 0, 0), MAX_SHARDS)))


def shard_count_problem(announced: float | None) -> str | None:
    """Describe a number of shards that no API process can have announced, or return None."""
    if announced is None or 0 < announced <= MAX_SHARDS:
        return None
    return (
        f"somebody else wrote to the queue: events:shards says {announced:g} shards, and there are "
        f"at most {MAX_SHARDS}; remedy: DEL events:shards, then restart the API"
    )
