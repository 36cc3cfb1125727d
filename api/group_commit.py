"""Group commit: what arrives while the queue writes goes to it in the next call, all at once."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from storage.errors import QueueFull, ShardFull, StorageError
from storage.intake import Appended, Place

log = logging.getLogger(__name__)

GROUP_EVENTS = 1_000
GROUP_BYTES = 4 * 1024 * 1024

# One shard is filled while its backlog is no larger: a fraction of a second's work for its drain.
STAY_EVENTS = 2_000
STAY_BYTES = 4 * 1024 * 1024

Append = Callable[[int, int, list[bytes]], Awaitable[Appended]]


class _Unit(NamedTuple):
    """What is appended together or not at all: one request's events, all made at one time."""

    items: Sequence[bytes]  # id, event, id, event ...
    created_ms: int
    events: int
    bytes: int
    future: asyncio.Future[Place]


class GroupCommit:
    """Collects the events of one event loop into calls of `append(shard, oldest_ms, items)`.

    One call is under way at a time. It goes to the shard of the call before, so that a quiet
    service keeps one drain busy with large batches, until that shard has a backlog or fails: then
    the next one's turn comes, so that a loaded service keeps all drains busy. `wake(shard,
    generation)` is told of each drain that must be enqueued. Nothing is taken while `most_pending`
    events wait, in that call and behind it.
    """

    def __init__(
        self, append: Append, shards: int, most_pending: int, wake: Callable[[int, int], None]
    ) -> None:
        self._append = append
        self._shards = shards
        self._most_pending = most_pending
        self._wake = wake
        self._shard = random.randrange(shards)  # noqa: S311 - only spreads processes over shards
        self._pending: list[_Unit] = []
        self._in_call: list[_Unit] = []
        self._events = 0  # in both
        self._task: asyncio.Task[None] | None = None

    async def add(self, items: Sequence[bytes], created_ms: int) -> Place:
        """Where the events wait, once they are on the queue's disk: all in one call, or none.

        `items` is id, event, id, event ..., all made at that time. Raises QueueUnavailable,
        QueueFull.
        """
        if self._events >= self._most_pending:
            raise QueueFull("as many events as allowed wait for the queue already")
        future: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        size = len(items[1]) if len(items) == 2 else sum(map(len, items[1::2]))
        self._pending.append(_Unit(items, created_ms, len(items) // 2, size, future))
        self._events += len(items) // 2
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    async def close(self) -> None:
        """Return once nothing is under way any more."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._pending:
                self._in_call = self._take()
                await self._commit(self._in_call)
                for unit in self._in_call:
                    self._events -= unit.events
        finally:
            for unit in self._in_call + self._pending:
                unit.future.cancel()  # only where the loop is shut down is one not settled yet
            self._in_call, self._pending, self._events = [], [], 0
            self._task = None

    def _take(self) -> list[_Unit]:
        """The first of what waits, as much as one call takes, whatever the size of the first."""
        events = size = count = 0
        for unit in self._pending:
            events += unit.events
            size += unit.bytes
            if count and (events > GROUP_EVENTS or size > GROUP_BYTES):
                break
            count += 1
        group, self._pending = self._pending[:count], self._pending[count:]
        return group

    async def _commit(self, group: list[_Unit]) -> None:
        """One call. Whatever fails in it fails this group, never the next."""
        items: list[bytes] = []
        for unit in group:
            items += unit.items
        oldest = min([unit.created_ms for unit in group])
        try:
            appended = await self._append_where_room(oldest, items)
            _settle(group, appended.place)
            if appended.generation:
                self._wake(appended.place.shard, appended.generation)
            if appended.backlog_events > STAY_EVENTS or appended.backlog_bytes > STAY_BYTES:
                self._move_on()
        except Exception as error:
            if not isinstance(error, StorageError):
                log.exception("a group of %d events failed", len(items) // 2)
            self._move_on()
            _settle(group, error)

    async def _append_where_room(self, oldest_ms: int, items: list[bytes]) -> Appended:
        """To the shard whose turn it is or, where that is full, to the first one that is not."""
        for _ in range(self._shards - 1):
            try:
                return await self._append(self._shard, oldest_ms, items)
            except ShardFull:
                self._move_on()
        return await self._append(self._shard, oldest_ms, items)

    def _move_on(self) -> None:
        self._shard = (self._shard + 1) % self._shards


def _settle(group: list[_Unit], outcome: Place | Exception) -> None:
    for unit in group:
        if unit.future.done():  # its client went away
            continue
        if isinstance(outcome, Place):
            unit.future.set_result(outcome)
        else:
            unit.future.set_exception(outcome)
