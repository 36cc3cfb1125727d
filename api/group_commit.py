"""Group commit: what arrives while the queue writes goes to it in the next call, all at once."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from storage.errors import QueueFull, StorageError

log = logging.getLogger(__name__)

GROUP_EVENTS = 1_000
GROUP_BYTES = 4 * 1024 * 1024

Append = Callable[[int, int, list[bytes]], Awaitable[int]]
_Waiting = tuple[bytes, bytes, int, asyncio.Future[None]]


class GroupCommit:
    """Collects events of one event loop into calls of `append(shard, oldest_ms, items)`.

    One call is under way at a time; shards take turns. `wake(shard, generation)` is told of each
    drain that must be enqueued. `most_pending` bounds the events held, in that call and behind it.
    """

    def __init__(
        self, append: Append, shards: int, most_pending: int, wake: Callable[[int, int], None]
    ) -> None:
        self._append = append
        self._shards = shards
        self._most_pending = most_pending
        self._wake = wake
        self._shard = random.randrange(shards)  # noqa: S311 - only spreads processes over shards
        self._pending: list[_Waiting] = []
        self._in_call: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, event_id: bytes, body: bytes, created_ms: int) -> None:
        """Return once the event is on the queue's disk. Raises QueueUnavailable, QueueFull."""
        if len(self._in_call) + len(self._pending) >= self._most_pending:
            raise QueueFull("as many events as allowed wait for the queue already")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((event_id, body, created_ms, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        await future

    async def close(self) -> None:
        """Return once nothing is under way any more."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._pending:
                self._in_call = self._take()
                await self._commit(self._in_call)
        finally:
            for _, _, _, future in self._in_call + self._pending:
                future.cancel()  # only where the loop is shut down is one not settled yet
            self._in_call, self._pending = [], []
            self._task = None

    def _take(self) -> list[_Waiting]:
        size = count = 0
        for _, body, _, _ in self._pending[:GROUP_EVENTS]:
            if count and size + len(body) > GROUP_BYTES:
                break
            size += len(body)
            count += 1
        group, self._pending = self._pending[:count], self._pending[count:]
        return group

    async def _commit(self, group: list[_Waiting]) -> None:
        """One call. Whatever fails in it fails this group, never the next."""
        self._shard = (self._shard + 1) % self._shards
        items = [part for event_id, body, _, _ in group for part in (event_id, body)]
        oldest = min(created_ms for _, _, created_ms, _ in group)
        try:
            generation = await self._append(self._shard, oldest, items)
            _settle(group, None)
            if generation:
                self._wake(self._shard, generation)
        except StorageError as error:
            _settle(group, error)
        except Exception as error:
            log.exception("a group of %d events failed", len(group))
            _settle(group, error)


def _settle(group: list[_Waiting], error: Exception | None) -> None:
    for _, _, _, future in group:
        if future.done():  # its client went away
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
