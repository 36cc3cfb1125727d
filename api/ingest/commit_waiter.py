"""Waiting until events have left the queue: then they are committed."""

import asyncio
from contextlib import suppress

from storage.errors import QueueUnavailable
from storage.queue.producer import Intake, Place

LOOK_SECONDS = 0.01


class StoredWatch:
    """Looks at the shards that somebody waits for, once for all who wait."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._waiting: dict[asyncio.Future[None], Place] = {}
        self._task: asyncio.Task[None] | None = None

    async def left(self, place: Place) -> None:
        """Return once the events have left the queue."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = place
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
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._task = None

    async def _look(self) -> None:
        shards = sorted({place.shard for place in self._waiting.values()})
        trimmed = dict(zip(shards, await self._intake.trimmed(shards), strict=True))
        for future, place in self._waiting.items():
            if trimmed.get(place.shard, 0) >= place.position and not future.done():
                future.set_result(None)
