"""Group commits to a queue whose appends end when the test says so."""

import asyncio

from api.ingest.group_commit import GroupCommit
from storage.queue.producer import Appended, QueuePosition
from tests.support.event_loop import settle


class Queue:
    """A queue on which each append ends when the test says so."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int, list[bytes]]] = []
        self.ends: list[asyncio.Future[int]] = []
        self.woken: list[tuple[int, int]] = []
        self.backlog: dict[int, tuple[int, int]] = {}  # of a shard, after an append

    async def append(
        self, shard: int, oldest_ms: int, items: list[bytes], even_paused: bool = False
    ) -> Appended:
        self.calls.append((shard, oldest_ms, items))
        self.ends.append(asyncio.get_running_loop().create_future())
        generation = await self.ends[-1]
        backlog = self.backlog.get(shard, (0, 0))
        return Appended(generation, QueuePosition(shard, len(self.calls)), *backlog)

    def wake(self, shard: int, generation: int) -> None:
        self.woken.append((shard, generation))

    def group(self, max_pending: int = 100, shards: int = 4) -> GroupCommit:
        return GroupCommit(self.append, shards, max_pending, self.wake)

    @property
    def bodies(self) -> list[list[bytes]]:
        """Return the events of each call."""
        return [items[1::2] for _, _, items in self.calls]


def add(group: GroupCommit, *bodies: bytes, ms: int = 1) -> asyncio.Task[QueuePosition]:
    """Submit these events as one request created at `ms`, in a task."""
    items = [part for body in bodies for part in (b"id of " + body, body)]

    async def appended() -> QueuePosition:
        return await group.submit(items, ms)

    return asyncio.create_task(appended())


async def one_after_the_other(queue: Queue, group: GroupCommit, count: int) -> list[int]:
    """Return the shards that so many events go to, each in a call of its own."""
    for _ in range(count):
        task = add(group, b"x")
        await settle()
        queue.ends[-1].set_result(0)
        await task
    return [shard for shard, _, _ in queue.calls]
