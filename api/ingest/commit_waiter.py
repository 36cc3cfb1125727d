"""Waiting until events have left the queue: then they are committed."""

import asyncio
from contextlib import suppress

from storage.errors import QueueUnavailable
from storage.queue.producer import QueuePosition, QueueProducer

POLL_SECONDS = 0.01


class CommitWaiter:
    """Looks at the shards that somebody waits for, once for all who wait."""

    def __init__(self, producer: QueueProducer) -> None:
        self._producer = producer
        self._waiting: dict[asyncio.Future[None], QueuePosition] = {}
        self._task: asyncio.Task[None] | None = None

    async def left(self, position: QueuePosition) -> None:
        """Return once the events have left the queue."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = position
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            await future
        finally:
            del self._waiting[future]

    async def close(self) -> None:
        """Return once nothing is under way any more."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                with suppress(QueueUnavailable):
                    await self._look()
                await asyncio.sleep(POLL_SECONDS)
        finally:
            self._task = None

    async def _look(self) -> None:
        shards = sorted({position.shard for position in self._waiting.values()})
        trimmed = dict(zip(shards, await self._producer.trimmed(shards), strict=True))
        for future, position in self._waiting.items():
            if trimmed.get(position.shard, 0) >= position.end and not future.done():
                future.set_result(None)
