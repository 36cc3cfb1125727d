"""The counters of the shards: read them, and set them after a restore.

After a restore PostgreSQL is newer than the queue, or older. The ledger in PostgreSQL says what
became of each entry, so the queue's counters follow it. Nothing else may use the queue meanwhile.
"""

from collections.abc import Iterator
from typing import Any, cast

import redis

from storage.queue.shard_count import announced_shards, shard_count, shard_count_names
from storage.redis import keys
from storage.redis.script_runner import run
from storage.server_errors import queue_errors

FIRST_ID = "0-0"
_MAX_AHEAD_MS = 60_000  # an id further ahead of the clock was chosen by another program
_SCAN_COUNT = 1_000
_PART = 1_000


def shards_of(client: redis.Redis, configured: int) -> int:
    """Return how many shards the queue has had at most. Raises QueueUnavailable."""
    with queue_errors():
        return shard_count(configured, announced_shards(client, configured))


def announce_shards(client: redis.Redis, count: int) -> None:
    """Let every sweeper visit at least so many shards. Raises QueueUnavailable."""
    with queue_errors():
        for name in shard_count_names(client, count):
            client.zadd(name, {"count": count}, gt=True)


def accepted_counts(client: redis.Redis, shards: int) -> dict[int, int]:
    """Return how many events each shard has ever accepted. Raises QueueUnavailable."""
    with queue_errors():
        states = [keys.state(tag) for tag in keys.tags(client)[:shards]]
        found = {shard: client.hget(name, "accepted") for shard, name in enumerate(states)}
    return {shard: int(cast(Any, value) or 0) for shard, value in found.items()}


def backlog(client: redis.Redis, shard: int) -> int:
    """Return the number of entries that wait on a shard. Raises QueueUnavailable."""
    with queue_errors():
        return int(cast(Any, client.xlen(keys.stream(keys.tags(client)[shard]))))


def now_ms(client: redis.Redis, key: str) -> int:
    """Return the time (ms) of the server that has the key. Raises redis-py's errors."""
    return int(run(client, "queue/clock", [key]))


def continue_ids(client: redis.Redis, shard: int, position: str) -> None:
    """Let the stream give no id again that the ledger has counted already.

    `position`: the last entry that the ledger has counted. Without this the drain would take the
    position for one of an earlier stream. Raises QueueUnavailable.
    """
    stream = keys.stream(keys.tags(client)[shard])
    with queue_errors():
        last = _last_id(client, stream)
        ahead = _parts(position)[0] - now_ms(client, stream)
        if _parts(position) <= _parts(last or FIRST_ID) or ahead > _MAX_AHEAD_MS:
            return
        if last is not None:
            cast(Any, client).execute_command("XSETID", stream, position)
            return
        with client.pipeline(transaction=True) as pipe:  # a stream without entries
            pipe.xadd(stream, {"e": ""}, id=position)
            pipe.xdel(stream, position)
            pipe.execute()


def agree_with_ledger(client: redis.Redis, shard: int, total: int, position: str) -> None:
    """Set a shard's counters so that they balance with the ledger.

    `total`: the entries that the ledger accounts for, `position`: the last of them. Entries that
    still wait, though the ledger has counted them, are counted when they leave. Raises
    QueueUnavailable.
    """
    tag = keys.tags(client)[shard]
    state, stream = keys.state(tag), keys.stream(tag)
    with queue_errors():
        counted = sum(1 for _ in _entries_until(client, stream, position))
        waiting = min(int(cast(Any, client.hlen(keys.ids(tag)))), backlog(client, shard))
        left = max(total - counted, 0)
        foreign = min(int(cast(Any, client.hget(state, "foreign")) or 0), left)
        trimmed = left - foreign
        since = str(now_ms(client, stream))
        with client.pipeline(transaction=True) as pipe:
            counters = {"accepted": trimmed + waiting, "trimmed": trimmed, "foreign": foreign}
            pipe.hset(state, mapping=cast(Any, counters))
            pipe.hsetnx(state, "since", since)
            pipe.execute()


def forget_idempotency_keys(client: redis.Redis) -> int:
    """Remove every record of an idempotency key; return their number. Raises QueueUnavailable."""
    removed = 0
    with queue_errors():
        for pattern in (keys.IDEMPOTENCY_RECORDS, keys.IDEMPOTENCY_EXPIRIES):
            part: list[Any] = []
            for name in client.scan_iter(pattern, count=_SCAN_COUNT):
                part.append(name)
                if len(part) == _PART:
                    removed += _unlink(client, part)
            removed += _unlink(client, part)
    return removed


def _unlink(client: redis.Redis, names: list[Any]) -> int:
    """Remove the keys, and empty the list. Return how many were records."""
    if not names:
        return 0
    client.unlink(*names)
    records = sum(1 for name in names if not name.endswith(b":once"))
    names.clear()
    return records


def _entries_until(client: redis.Redis, stream: str, last: str) -> Iterator[bytes]:
    start = "-"
    while found := cast(Any, client.xrange(stream, start, last, count=_PART)):
        yield from (entry for entry, _ in found)
        start = f"({found[-1][0].decode()}"


def _last_id(client: redis.Redis, stream: str) -> str | None:
    """Return the last id that the stream has given, None if there is no stream."""
    if not client.exists(stream):
        return None
    found = cast(Any, client.xinfo_stream(stream))["last-generated-id"]
    return found.decode() if isinstance(found, bytes) else str(found)


def _parts(entry: str) -> tuple[int, int]:
    milliseconds, _, number = entry.partition("-")
    return int(milliseconds), int(number or 0)
