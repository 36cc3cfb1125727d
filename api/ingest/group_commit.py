"""Group commit: one append for all events that arrive while the append before it runs."""

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple, Protocol

from storage.errors import (
    QueueFull,
    ReplicasBehind,
    ShardFull,
    ShardPaused,
    ShardUnusable,
    StorageError,
)
from storage.grouped_calls import GroupedCalls, settle
from storage.metrics.instruments import group_commit_events
from storage.queue.producer import Appended, QueuePosition

GROUP_EVENTS = 1_000
GROUP_BYTES = 4 * 1024 * 1024
MAX_PENDING_BYTES = 64 * 1024 * 1024  # of pending events and those in calls

# Pending events that begin a call, by the number of calls under way. The second call is for large
# requests: the queue writes one call while this process prepares the other.
THRESHOLDS = (1, 500, math.inf)

# Keep appending to one shard up to this backlog: its drain stores that in a fraction of a second.
# And for as much in a row: servers on one machine push each other out of the processor's caches.
STAY_EVENTS = 2_000
STAY_BYTES = 4 * 1024 * 1024

# How long to avoid a shard that was paused, while another shard takes events.
AVOID_SECONDS = 1.0

_NOT_WRITTEN = ShardFull, ShardUnusable, ReplicasBehind


class Append(Protocol):
    """What `QueueProducer.append` does."""

    async def __call__(
        self, shard: int, oldest_ms: int, items: list[bytes], even_paused: bool = False
    ) -> Appended:
        """Append; raise ShardPaused if the shard's last drain failed, unless `even_paused`."""


class _Submission(NamedTuple):
    """The events of one request, created at one time; one call appends all of them or none."""

    items: Sequence[bytes]  # id, event, id, event ...
    created_ms: int
    events: int
    bytes: int
    future: asyncio.Future[QueuePosition]


_CREATED_MS = attrgetter("created_ms")


class GroupCommit(GroupedCalls[_Submission]):
    """Groups the events of one event loop into calls of `append(shard, oldest_ms, items)`.

    One call is under way at a time, or two while many events are pending. A call goes to the same
    shard as the call before: a quiet service then keeps one drain busy with large batches. Once
    that shard has a backlog and has taken as much in a row, or fails, calls go to the next shard: a
    loaded service keeps all drains busy. A shard whose last drain failed gets no events while
    another shard takes them.

    `wake(shard, generation)` is called for each drain that must be enqueued. Events are refused
    while `max_pending` events, or MAX_PENDING_BYTES, are pending or in calls.
    """

    def __init__(
        self, append: Append, shards: int, max_pending: int, wake: Callable[[int, int], None]
    ) -> None:
        super().__init__(THRESHOLDS)
        self._append = append
        self._shards = shards
        self._max_pending = max_pending
        self._wake = wake
        self._shard = random.randrange(shards)  # noqa: S311 - only spreads processes over shards
        self._turn_events = self._turn_bytes = 0  # appended since the last change of the shard
        self._events = self._bytes = 0  # pending and in calls
        self._avoided: dict[int, float] = {}  # shard: loop time until which it is avoided

    def submit(self, items: Sequence[bytes], created_ms: int) -> asyncio.Future[QueuePosition]:
        """Append one request's events; the future's result comes once they are on the queue's disk.

        `items` is id, event, id, event ..., all created at `created_ms`. One call appends all of
        them, or none. The future fails with QueueUnavailable or QueueFull.
        """
        future: asyncio.Future[QueuePosition] = self._loop.create_future()
        if self._events >= self._max_pending or self._bytes >= MAX_PENDING_BYTES:
            future.set_exception(QueueFull("too many events are waiting for the queue"))
            return future
        count = len(items) // 2
        size = len(items[1]) if count == 1 else sum(map(len, items[1::2]))
        self._pending.append(_Submission(items, created_ms, count, size, future))
        self._weight += count
        self._events += count
        self._bytes += size
        if self._weight >= self._thresholds[len(self._tasks)]:
            self._start()
        return future

    def _take(self) -> list[_Submission]:
        """Remove as many of the oldest submissions as one call takes, at least one."""
        events = size = count = 0
        for submission in self._pending:
            too_many = events + submission.events > GROUP_EVENTS
            if count and (too_many or size + submission.bytes > GROUP_BYTES):
                break
            events += submission.events
            size += submission.bytes
            count += 1
        self._weight -= events
        group, self._pending = self._pending[:count], self._pending[count:]
        return group

    def _abandon(self) -> None:
        super()._abandon()
        self._events = self._bytes = 0

    async def _call(self, group: list[_Submission]) -> None:
        items: list[bytes] = []
        size = 0
        for submission in group:
            items += submission.items
            size += submission.bytes
        oldest = min(map(_CREATED_MS, group))
        group_commit_events.observe(len(items) // 2)
        try:
            appended = await self._append_where_room(oldest, items)
        finally:
            self._events -= len(items) // 2
            self._bytes -= size
        self._end_turn(appended, len(items) // 2, size)
        settle(group, appended.position)
        if appended.generation:
            self._wake(appended.position.shard, appended.generation)

    async def _append_where_room(self, oldest_ms: int, items: list[bytes]) -> Appended:
        """Append to the current shard or, if that surely has not taken them, to the next.

        If no other shard takes the events, append to a paused shard that has room. Raises
        ShardFull; if no shard is full, ShardUnusable or ReplicasBehind.
        """
        failed: list[StorageError] = []
        order = [(self._shard + step) % self._shards for step in range(self._shards)]
        for shard in self._not_avoided(order):
            try:
                return await self._append_to(shard, oldest_ms, items)
            except ShardPaused:
                pass
            except _NOT_WRITTEN as error:
                failed.append(error)
        paused = [shard for shard in order if shard in self._avoided]
        for shard in paused:
            try:
                return await self._append_to(shard, oldest_ms, items, even_paused=True)
            except _NOT_WRITTEN as error:
                failed.append(error)
        raise _most_useful(failed)

    def _not_avoided(self, order: list[int]) -> list[int]:
        """Return the shards that were not found paused or unusable lately."""
        if not self._avoided:
            return order
        now = self._loop.time()
        self._avoided = {shard: end for shard, end in self._avoided.items() if end > now}
        return [shard for shard in order if shard not in self._avoided]

    async def _append_to(
        self, shard: int, oldest_ms: int, items: list[bytes], even_paused: bool = False
    ) -> Appended:
        try:
            return await self._append(shard, oldest_ms, items, even_paused=even_paused)
        except (ShardPaused, ShardUnusable, ReplicasBehind):
            self._avoided[shard] = self._loop.time() + AVOID_SECONDS
            self._leave(shard)
            raise
        except Exception:
            self._leave(shard)
            raise

    def _end_turn(self, appended: Appended, events: int, size: int) -> None:
        """Leave the shard if it has a backlog and has taken as much in a row."""
        if appended.position.shard != self._shard:
            return  # another call has left it
        self._turn_events += events
        self._turn_bytes += size
        if _is_much(appended.backlog_events, appended.backlog_bytes) and _is_much(
            self._turn_events, self._turn_bytes
        ):
            self._leave(appended.position.shard)

    def _leave(self, shard: int) -> None:
        """Go on to the next shard, unless another call has done so."""
        if self._shard == shard:
            self._shard = (shard + 1) % self._shards
            self._turn_events = self._turn_bytes = 0


def _is_much(events: int, size: int) -> bool:
    return events > STAY_EVENTS or size > STAY_BYTES


def _most_useful(failed: Sequence[StorageError]) -> StorageError:
    """Return the error for the producer: a full shard gets room again, an unusable one may not."""
    full = [error for error in failed if isinstance(error, ShardFull)]
    return (full or failed)[0]
