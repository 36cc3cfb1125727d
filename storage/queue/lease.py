"""The queue as a drain sees it: acquire a shard, read batches, acknowledge them, release it."""

from collections.abc import Sequence
from typing import Any, cast

import redis

from storage.errors import LeaseLost
from storage.model.entries import END, Entry, EntryBatch, next_entry, read_batch, size_of
from storage.model.erasing import Tombstone
from storage.queue.pace import Pace
from storage.queue.producer import QUEUED_TTL_MS
from storage.queue.tombstones import read_tombstones
from storage.redis import keys
from storage.redis.cluster import read_blocking
from storage.redis.script_runner import run
from storage.server_errors import queue_errors

# Entries read by one command: even the largest ones fit into memory easily.
_CHUNK = 256
_SCAN_COUNT = 2_000  # records of the index per command


class ShardLease:
    """The lease on a shard: at most one drain holds it. Every change presents the lease's fence."""

    def __init__(self, client: redis.Redis, shard: int, lease_ms: int) -> None:
        self._client = client
        self._shard = shard
        self._tag = keys.tags(client)[shard]
        self._lease_ms = lease_ms
        self.fence = 0
        self.took_over = False
        self.last_id: bytes | None = None
        self.tombstones: Sequence[Tombstone] = ()

    def acquire(self, fence_seen: int) -> bool:
        """Take the lease with a fence above `fence_seen`; return False if a live drain holds it.

        Sets `took_over`: whether the previous drain ended without releasing the lease; and
        `last_id`: the last id of the stream, None if it can't be read; and `tombstones`: who is
        being erased. A tombstone that is written later makes this lease void.
        """
        shard_keys = [keys.stream(self._tag), keys.tombstones(self._tag)]
        fence, taken_over, last, stones = self._run(
            "acquire", shard_keys, [self._lease_ms, fence_seen]
        )
        self.tombstones = read_tombstones(stones)
        self.fence, self.took_over = int(fence), bool(taken_over)
        self.last_id = last or None
        return self.fence > 0

    def read(
        self, count: int, max_bytes: int, behind: EntryBatch | None = None
    ) -> EntryBatch | None:
        """Read the oldest `count` entries, or fewer of about `max_bytes`; None without entries.

        With `behind`, read the entries after that batch, whether or not it is acknowledged yet.
        """
        last = behind.entries[-1] if behind else None
        entries: list[Entry] = []
        size = 0
        while len(entries) < count and size < max_bytes:
            wanted = min(_CHUNK, count - len(entries))
            chunk = self._read_after(last, wanted)
            entries += chunk
            last = entries[-1][0] if entries else last
            size += size_of(chunk)
            if len(chunk) < wanted:
                break
        return read_batch(entries, size)

    def identify(self, batch: EntryBatch) -> EntryBatch:
        """Return the batch with the event ids of its unreadable entries, if the index has them.

        Scans the whole index: only for a batch with unreadable entries.
        """
        wanted = {unreadable.entry for unreadable in batch.unreadable}
        with queue_errors():
            records = self._client.hscan_iter(keys.ids(self._tag), count=_SCAN_COUNT)
            accepted = {entry: event_id for event_id, entry in records if entry in wanted}
        return batch.identified(accepted)

    def find_foreign(self, batch: EntryBatch) -> set[int]:
        """Which of the batch's events, by position, the index does not know at their entry.

        Nobody has accepted them: somebody else has written them onto the stream.
        """
        entries = batch.entries_of_events()
        ids = batch.ids[: len(entries)]
        known: list[bytes | None] = []
        with queue_errors():
            for start in range(0, len(ids), _SCAN_COUNT):
                some = ids[start : start + _SCAN_COUNT]
                known += cast(list[bytes | None], self._client.hmget(keys.ids(self._tag), some))
        return {place for place, entry in enumerate(entries) if known[place] != entry}

    def _read_after(self, last: bytes | None, count: int) -> list[Entry]:
        first = next_entry(last) if last else b"-"
        if first == END:
            return []
        with queue_errors():
            found = self._client.xrange(keys.stream(self._tag), min=first, count=count)
        return cast(list[Entry], found)

    def wait(self, wait_ms: int) -> bool:
        """Wait up to `wait_ms` until the empty shard has an entry."""
        with queue_errors():
            stream = keys.stream(self._tag)
            return bool(read_blocking(self._client, stream, wait_ms))

    def renew(self) -> None:
        """Keep the lease for another full term. Raises LeaseLost."""
        if self._run("renew", [], [self.fence, self._lease_ms]) == 0:
            raise LeaseLost(f"shard {self._shard} was taken over from fence {self.fence}")

    def acknowledge(self, batch: EntryBatch, pace: Pace | None = None) -> int:
        """Remove a batch that PostgreSQL has committed; return the number of entries left.

        Records the worker's `pace` with the shard.
        Raises LeaseLost: then another drain reads the batch again, which does no harm.
        """
        shard_keys = [keys.stream(self._tag), keys.ids(self._tag)]
        args: list[bytes | int | str] = [
            self.fence,
            self._lease_ms,
            next_entry(batch.entries[-1]),
            batch.bytes,
            f"{pace.per_second:.3f}" if pace else "",
            int(pace is not None and pace.at_least),
            *batch.ids,
        ]
        left = self._run("acknowledge", shard_keys, args)
        if left < 0:
            raise LeaseLost(f"shard {self._shard} was taken over from fence {self.fence}")
        return int(left)

    def release(self) -> int:
        """Release the lease; return the generation of the next drain, 0 if none is needed."""
        args: list[bytes | int | str] = [self.fence, QUEUED_TTL_MS]
        generation = self._run("release", [keys.stream(self._tag)], args)
        return max(int(generation), 0)

    def fail(self, error: str) -> None:
        """Record why the drain ended early, and release the lease if it was acquired.

        The sweeper enqueues the next drain, after a pause. Changes nothing if another drain has
        taken the shard over.
        """
        args: list[bytes | int | str] = [self.fence, QUEUED_TTL_MS, error]
        self._run("fail", [keys.stream(self._tag)], args)

    def _run(self, script: str, more_keys: list[str], args: Sequence[bytes | int | str]) -> Any:
        with queue_errors():
            return run(self._client, f"queue/{script}", [keys.state(self._tag), *more_keys], args)
