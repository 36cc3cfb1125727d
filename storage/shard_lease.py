"""The queue as a drain sees it: take a shard, read a batch, acknowledge it, give the shard back."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import redis

from storage import keys
from storage.errors import LeaseLost, queue_errors
from storage.event import Event, decode_event
from storage.intake import QUEUED_TTL_MS
from storage.scripts import source

Entry = tuple[bytes, dict[bytes, bytes]]

# Entries read at once: of the greatest size they still fit into memory easily.
_PIECE = 256


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries read from a shard, in the stream's order."""

    events: list[Event]
    ids: list[bytes]
    entries: list[bytes]
    bytes: int

    def count_behind(self, position: str) -> int:
        """How many of its entries come after that one of the stream (`0-0`: all)."""
        return len(self.entries) - bisect_right(self.entries, _order(position.encode()), key=_order)


class ShardLease:
    """At most one at a time per shard holds the lease; every change shows its fence."""

    def __init__(self, client: redis.Redis, shard: int, lease_ms: int) -> None:
        self._client = client
        self._shard = shard
        self._lease_ms = lease_ms
        self.fence = 0
        self.took_over = False

    def begin(self, fence_seen: int) -> bool:
        """Take the lease, with a fence above `fence_seen`; False when a living drain holds it.

        `took_over` then says whether the drain before ended without giving the lease back.
        """
        fence, taken_over = self._run("begin", [], [self._lease_ms, fence_seen])
        self.fence, self.took_over = int(fence), bool(taken_over)
        return self.fence > 0

    def read(self, count: int, most_bytes: int, behind: Batch | None = None) -> Batch | None:
        """The oldest `count` entries, or fewer of about `most_bytes`; None when there are none.

        With `behind`, those that come after that batch, which need not be acknowledged yet.
        """
        last = behind.entries[-1] if behind else None
        entries: list[Entry] = []
        size = 0
        while len(entries) < count and size < most_bytes:
            wanted = min(_PIECE, count - len(entries))
            piece = self._read_behind(last, wanted)
            entries += piece
            last = entries[-1][0] if entries else last
            size += sum([len(fields[b"e"]) for _, fields in piece])
            if len(piece) < wanted:
                break
        return _batch(entries, size)

    def _read_behind(self, last: bytes | None, count: int) -> list[Entry]:
        first = b"(" + last if last else b"-"
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

    def acknowledge(self, batch: Batch) -> int:
        """Forget a batch that PostgreSQL has committed. Returns the entries left.

        Raises LeaseLost: then another drain reads it again, which changes nothing.
        """
        shard_keys = [keys.stream(self._shard), keys.ids(self._shard)]
        args: list[bytes | int] = [
            self.fence,
            self._lease_ms,
            _next_entry(batch.entries[-1]),
            batch.bytes,
            *batch.ids,
        ]
        left = self._run("ack", shard_keys, args)
        if left < 0:
            raise LeaseLost(f"shard {self._shard} was taken over from fence {self.fence}")
        return int(left)

    def finish(self, trouble: str = "") -> int:
        """Give the lease back: the generation of the next drain to enqueue, 0 when none is needed.

        A caller that does not enqueue, because of `trouble`, leaves that to the sweeper.
        """
        args: list[bytes | int | str] = [self.fence, QUEUED_TTL_MS, trouble]
        generation = self._run("finish", [keys.stream(self._shard)], args)
        return max(int(generation), 0)

    def _run(self, script: str, more_keys: list[str], args: Sequence[bytes | int | str]) -> Any:
        with queue_errors():
            call = self._client.register_script(source(f"queue/{script}"))
            return call(keys=[keys.state(self._shard), *more_keys], args=args)


def _batch(entries: list[Entry], size: int) -> Batch | None:
    if not entries:
        return None
    events = [decode_event(fields[b"e"]) for _, fields in entries]
    ids = [bytes.fromhex(event.id.replace("-", "")) for event in events]
    return Batch(events, ids, [entry for entry, _ in entries], size)


def _order(entry: bytes) -> tuple[int, int]:
    ms, seq = entry.split(b"-")
    return int(ms), int(seq)


def _next_entry(entry: bytes) -> bytes:
    ms, seq = _order(entry)
    return b"%d-%d" % (ms, seq + 1)
