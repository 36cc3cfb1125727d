"""The queue as a drain sees it: take a shard, read a batch, acknowledge it, give the shard back."""

from collections.abc import Sequence
from typing import Any, cast

import redis

from storage.errors import LeaseLost, queue_errors
from storage.model.entries import END, Entry, EntryBatch, next_entry, read_batch, size_of
from storage.queue.producer import QUEUED_TTL_MS
from storage.redis import keys
from storage.redis.script_runner import run

# Entries read at once: of the greatest size they still fit into memory easily.
_PIECE = 256
_SCANNED = 2_000  # records of the index a round trip


class ShardLease:
    """At most one at a time per shard holds the lease; every change shows its fence."""

    def __init__(self, client: redis.Redis, shard: int, lease_ms: int) -> None:
        self._client = client
        self._shard = shard
        self._lease_ms = lease_ms
        self.fence = 0
        self.took_over = False
        self.last_id: bytes | None = None

    def acquire(self, fence_seen: int) -> bool:
        """Take the lease, with a fence above `fence_seen`; False when a living drain holds it.

        `took_over` then says whether the drain before ended without giving the lease back, and
        `last_id` what the stream's last id was; None where it does not tell.
        """
        shard_keys = [keys.stream(self._shard)]
        fence, taken_over, last = self._run("acquire", shard_keys, [self._lease_ms, fence_seen])
        self.fence, self.took_over = int(fence), bool(taken_over)
        self.last_id = last or None
        return self.fence > 0

    def read(
        self, count: int, max_bytes: int, behind: EntryBatch | None = None
    ) -> EntryBatch | None:
        """The oldest `count` entries, or fewer of about `max_bytes`; None when there are none.

        With `behind`, those that come after that batch, which need not be acknowledged yet.
        """
        last = behind.entries[-1] if behind else None
        entries: list[Entry] = []
        size = 0
        while len(entries) < count and size < max_bytes:
            wanted = min(_PIECE, count - len(entries))
            piece = self._read_behind(last, wanted)
            entries += piece
            last = entries[-1][0] if entries else last
            size += size_of(piece)
            if len(piece) < wanted:
                break
        return read_batch(entries, size)

    def identify(self, batch: EntryBatch) -> EntryBatch:
        """The batch, with what the index knows of its unreadable entries: their events' ids.

        Goes through the whole index: only for a batch that has some.
        """
        wanted = {one.entry for one in batch.unreadable}
        with queue_errors():
            records = self._client.hscan_iter(keys.ids(self._shard), count=_SCANNED)
            accepted = {entry: event_id for event_id, entry in records if entry in wanted}
        return batch.identified(accepted)

    def find_foreign(self, batch: EntryBatch) -> set[int]:
        """Which of the batch's events, by position, the index does not know at their entry.

        Nobody has accepted them: somebody else has written them onto the stream.
        """
        unreadable = {one.entry for one in batch.unreadable}
        entries = [entry for entry in batch.entries if entry not in unreadable]
        ids = batch.ids[: len(entries)]
        known: list[bytes | None] = []
        with queue_errors():
            for start in range(0, len(ids), _SCANNED):
                some = ids[start : start + _SCANNED]
                known += cast(list[bytes | None], self._client.hmget(keys.ids(self._shard), some))
        return {place for place, entry in enumerate(entries) if known[place] != entry}

    def _read_behind(self, last: bytes | None, count: int) -> list[Entry]:
        first = next_entry(last) if last else b"-"
        if first == END:
            return []
        with queue_errors():
            found = self._client.xrange(keys.stream(self._shard), min=first, count=count)
        return cast(list[Entry], found)

    def wait(self, wait_ms: int) -> bool:
        """Wait up to `wait_ms` until the empty shard has an entry."""
        with queue_errors():
            stream = keys.stream(self._shard)
            return bool(self._client.xread({stream: "0-0"}, count=1, block=wait_ms))

    def renew(self) -> None:
        """Hold the lease for another full term. Raises LeaseLost."""
        if self._run("renew", [], [self.fence, self._lease_ms]) == 0:
            raise LeaseLost(f"shard {self._shard} was taken over from fence {self.fence}")

    def acknowledge(self, batch: EntryBatch) -> int:
        """Forget a batch that PostgreSQL has committed. Returns the entries left.

        Raises LeaseLost: then another drain reads it again, which changes nothing.
        """
        shard_keys = [keys.stream(self._shard), keys.ids(self._shard)]
        args: list[bytes | int] = [
            self.fence,
            self._lease_ms,
            next_entry(batch.entries[-1]),
            batch.bytes,
            *batch.ids,
        ]
        left = self._run("acknowledge", shard_keys, args)
        if left < 0:
            raise LeaseLost(f"shard {self._shard} was taken over from fence {self.fence}")
        return int(left)

    def release(self) -> int:
        """Give the lease back: the generation of the next drain to enqueue, 0 if none is needed."""
        args: list[bytes | int | str] = [self.fence, QUEUED_TTL_MS]
        generation = self._run("release", [keys.stream(self._shard)], args)
        return max(int(generation), 0)

    def fail(self, error: str) -> None:
        """Give the lease back, or give up before it was taken, and record why.

        The sweeper enqueues the next drain, after a pause. Changes nothing where another drain
        has the shard by now.
        """
        args: list[bytes | int | str] = [self.fence, QUEUED_TTL_MS, error]
        self._run("fail", [keys.stream(self._shard)], args)

    def _run(self, script: str, more_keys: list[str], args: Sequence[bytes | int | str]) -> Any:
        with queue_errors():
            return run(self._client, f"queue/{script}", [keys.state(self._shard), *more_keys], args)
