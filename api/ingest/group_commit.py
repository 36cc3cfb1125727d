"""Group commit: what arrives while the queue writes goes to it in the next call, all at once."""

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple, Protocol

from storage.errors import QueueFull, ShardFull, ShardPaused, ShardUnusable, StorageError
from storage.grouped_calls import GroupedCalls, settle
from storage.queue.producer import Appended, QueuePosition

GROUP_EVENTS = 1_000
GROUP_BYTES = 4 * 1024 * 1024
MAX_PENDING_BYTES = 64 * 1024 * 1024  # of events that wait, in calls and behind them

# Events that must wait for a call to begin, by the calls that are under way. The second one is for
# batches: the queue has work while this process prepares the next call, and the other way round.
THRESHOLDS = (1, 500, math.inf)

# One shard is filled while its backlog is no larger: a fraction of a second's work for its drain.
STAY_EVENTS = 2_000
STAY_BYTES = 4 * 1024 * 1024

# A shard that was found paused is not asked again for so long, as long as another takes events.
AVOID_SECONDS = 1.0


class Append(Protocol):
    """Raises ShardPaused where the shard's last drain failed, unless `even_paused`."""

    async def __call__(
        self, shard: int, oldest_ms: int, items: list[bytes], even_paused: bool = False
    ) -> Appended: ...


class _Submission(NamedTuple):
    """The events of one request, created at one time; one call appends all of them or none."""

    items: Sequence[bytes]  # id, event, id, event ...
    created_ms: int
    events: int
    bytes: int
    future: asyncio.Future[QueuePosition]


_CREATED_MS = attrgetter("created_ms")


class GroupCommit(GroupedCalls[_Submission]):
    """Collects the events of one event loop into calls of `append(shard, oldest_ms, items)`.

    One call is under way at a time, or two while much is pending. It goes to the shard of the call
    before, so that a quiet service keeps one drain busy with large batches, until that shard has a
    backlog or fails: then the next one's turn comes, so that a loaded service keeps all drains
    busy. A shard whose drain failed gets none while another takes them. `wake(shard, generation)`
    is told of each drain that must be enqueued. Nothing is taken while `max_pending` events wait,
    or MAX_PENDING_BYTES, in calls and behind them.
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
        self._events = self._bytes = 0  # pending and in calls
        self._avoided: dict[int, float] = {}  # paused shards, and until when none is asked

    def submit(self, items: Sequence[bytes], created_ms: int) -> asyncio.Future[QueuePosition]:
        """Where the events wait, once they are on the queue's disk: all in one call, or none.

        `items` is id, event, id, event ..., all made at that time. The future fails with
        QueueUnavailable, QueueFull.
        """
        future: asyncio.Future[QueuePosition] = self._loop.create_future()
        if self._events >= self._max_pending or self._bytes >= MAX_PENDING_BYTES:
            future.set_exception(QueueFull("as many events as allowed wait for the queue already"))
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
        try:
            appended = await self._append_where_room(oldest, items)
        finally:
            self._events -= len(items) // 2
            self._bytes -= size
        settle(group, appended.position)
        if appended.generation:
            self._wake(appended.position.shard, appended.generation)

    async def _append_where_room(self, oldest_ms: int, items: list[bytes]) -> Appended:
        """To the shard whose turn it is or, where that is full, paused or unusable, to the next.

        Where there is none, to a paused one that has room. Raises ShardUnusable where none is full
        and none takes them.
        """
        failed: list[StorageError] = []
        turns = [(self._shard + step) % self._shards for step in range(self._shards)]
        for shard in self._willing(turns):
            try:
                return await self._append_to(shard, oldest_ms, items)
            except ShardPaused:
                pass
            except (ShardFull, ShardUnusable) as error:
                failed.append(error)
        paused = [shard for shard in turns if shard in self._avoided]
        for shard in paused:
            try:
                return await self._append_to(shard, oldest_ms, items, even_paused=True)
            except (ShardFull, ShardUnusable) as error:
                failed.append(error)
        raise _worst(failed)

    def _willing(self, turns: list[int]) -> list[int]:
        """Those of these shards that may not be paused."""
        if not self._avoided:
            return turns
        now = self._loop.time()
        self._avoided = {shard: end for shard, end in self._avoided.items() if end > now}
        return [shard for shard in turns if shard not in self._avoided]

    async def _append_to(
        self, shard: int, oldest_ms: int, items: list[bytes], even_paused: bool = False
    ) -> Appended:
        try:
            appended = await self._append(shard, oldest_ms, items, even_paused=even_paused)
        except (ShardPaused, ShardUnusable):
            self._avoided[shard] = self._loop.time() + AVOID_SECONDS
            self._leave(shard)
            raise
        except Exception:
            self._leave(shard)
            raise
        if appended.backlog_events > STAY_EVENTS or appended.backlog_bytes > STAY_BYTES:
            self._leave(shard)
        return appended

    def _leave(self, shard: int) -> None:
        """The next one's turn comes, once for all calls that were to this one."""
        if self._shard == shard:
            self._shard = (shard + 1) % self._shards


def _worst(failed: Sequence[StorageError]) -> StorageError:
    """What to tell a producer: workers make room on a full shard, nobody mends an unusable one."""
    full = [error for error in failed if isinstance(error, ShardFull)]
    return (full or failed)[0]
