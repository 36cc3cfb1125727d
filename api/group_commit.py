"""Group commit: what arrives while the queue writes goes to it in the next call, all at once."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from api.made import Made
from storage.errors import QueueFull, StorageError
from storage.intake import Appended, Place

log = logging.getLogger(__name__)

GROUP_EVENTS = 1_000
GROUP_BYTES = 4 * 1024 * 1024

Append = Callable[[int, int, list[bytes]], Awaitable[Appended]]


class _Unit(NamedTuple):
    """What is appended together or not at all: one request's events."""

    made: Sequence[Made]
    bytes: int
    future: asyncio.Future[Place]


class GroupCommit:
    """Collects the events of one event loop into calls of `append(shard, oldest_ms, items)`.

    One call is under way at a time; shards take turns. `wake(shard, generation)` is told of each
    drain that must be enqueued. Nothing is taken while `most_pending` events wait, in that call
    and behind it.
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

    async def add(self, made: Sequence[Made]) -> Place:
        """Where the events wait, once they are on the queue's disk: all in one call, or none.

        Raises QueueUnavailable, QueueFull.
        """
        if self._events >= self._most_pending:
            raise QueueFull("as many events as allowed wait for the queue already")
        future: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._pending.append(_Unit(made, sum(len(event.body) for event in made), future))
        self._events += len(made)
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
                self._events -= sum(len(unit.made) for unit in self._in_call)
        finally:
            for unit in self._in_call + self._pending:
                unit.future.cancel()  # only where the loop is shut down is one not settled yet
            self._in_call, self._pending, self._events = [], [], 0
            self._task = None

    def _take(self) -> list[_Unit]:
        """The first of what waits, as much as one call takes, whatever the size of the first."""
        events = size = count = 0
        for unit in self._pending:
            events += len(unit.made)
            size += unit.bytes
            if count and (events > GROUP_EVENTS or size > GROUP_BYTES):
                break
            count += 1
        group, self._pending = self._pending[:count], self._pending[count:]
        return group

    async def _commit(self, group: list[_Unit]) -> None:
        """One call. Whatever fails in it fails this group, never the next."""
        self._shard = (self._shard + 1) % self._shards
        events = [event for unit in group for event in unit.made]
        items = [part for event in events for part in (event.raw_id, event.body)]
        oldest = min(event.created_ms for event in events)
        try:
            generation, place = await self._append(self._shard, oldest, items)
            _settle(group, place)
            if generation:
                self._wake(self._shard, generation)
        except StorageError as error:
            _settle(group, error)
        except Exception as error:
            log.exception("a group of %d events failed", len(events))
            _settle(group, error)


def _settle(group: list[_Unit], outcome: Place | Exception) -> None:
    for unit in group:
        if unit.future.done():  # its client went away
            continue
        if isinstance(outcome, Place):
            unit.future.set_result(outcome)
        else:
            unit.future.set_exception(outcome)
