"""Tombstones on the queue: whose events drains drop, and whose address they write over.

A shard has its own copy, in one slot with its state. The script that writes it makes the lease of a
running drain void, so each later change of the shard is made by a drain that knows the tombstone.
"""

from collections.abc import Sequence
from typing import cast
from uuid import UUID

import redis

from storage.model.entries import Entry, order
from storage.model.erasing import Tombstone
from storage.queue.counters import now_ms
from storage.queue.shard_count import announced_shards, shard_count
from storage.redis import keys
from storage.redis.cluster import is_cluster
from storage.redis.script_runner import run
from storage.server_errors import queue_errors


def read_tombstones(fields: Sequence[bytes]) -> tuple[Tombstone, ...]:
    """Return the tombstones of a hash's names and values, in turn. Raises ValueError."""
    return tuple(
        Tombstone.decode(name, value) for name, value in zip(fields[::2], fields[1::2], strict=True)
    )


class QueueTombstones:
    """Writes, reads and removes tombstones. Every call raises QueueUnavailable."""

    def __init__(self, client: redis.Redis, shards: int) -> None:
        """`shards`: as many as are configured; there may have been more."""
        self._client = client
        self._shards = shards
        self._tags = keys.tags(client)

    def now_ms(self) -> int:
        """Return the queue's time in milliseconds since the epoch; the latest, on a cluster."""
        count = self._shards if is_cluster(self._client) else 1
        with queue_errors():
            names = [keys.stream(tag) for tag in self._tags[:count]]
            return max(now_ms(self._client, name) for name in names)

    def shards(self) -> range:
        """Return all shards there ever were."""
        with queue_errors():
            announced = announced_shards(self._client, self._shards)
        return range(shard_count(self._shards, announced))

    def put(self, shard: int, stone: Tombstone, fence_seen: int) -> int:
        """Write it, and make the lease of the drain that runs void. Return the present fence.

        Later drains have a higher one. `fence_seen`: the highest that PostgreSQL has seen of the
        shard.
        """
        shard_keys = [keys.state(self._tags[shard]), keys.tombstones(self._tags[shard])]
        args: list[bytes | int | str] = [str(stone.erasure), stone.encode(), fence_seen]
        with queue_errors():
            return int(run(self._client, "queue/entomb", shard_keys, args))

    def fence(self, shard: int) -> int:
        """Return the shard's fence: that of the present drain, or of the next one's predecessor."""
        with queue_errors():
            return int(self._client.hget(keys.state(self._tags[shard]), "fence") or 0)

    def find(self, erasure: UUID) -> dict[int, Tombstone]:
        """Return the tombstone of an erasure, by the shards that have it."""
        name = str(erasure).encode()
        with queue_errors():
            found = {
                shard: self._client.hget(keys.tombstones(self._tags[shard]), str(erasure))
                for shard in self.shards()
            }
        return {n: Tombstone.decode(name, value) for n, value in found.items() if value}  # type: ignore[arg-type]

    def remove(self, erasure: UUID) -> None:
        """Remove the tombstones of an erasure."""
        with queue_errors():
            for shard in self.shards():
                self._client.hdel(keys.tombstones(self._tags[shard]), str(erasure))

    def waiting(self, before_ms: int) -> int:
        """Return on how many shards an entry waits that was appended before that time."""
        return sum(self._oldest_ms(shard) < before_ms for shard in self.shards())

    def oldest_ms(self) -> int:
        """Return when the oldest entry of all that wait was appended (ms); now if none waits."""
        return min([self.now_ms(), *map(self._oldest_ms, self.shards())])

    def _oldest_ms(self, shard: int) -> int:
        with queue_errors():
            first = cast(list[Entry], self._client.xrange(keys.stream(self._tags[shard]), count=1))
        return order(first[0][0])[0] if first else 1 << 63
