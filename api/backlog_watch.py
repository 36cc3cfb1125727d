"""Watching how fast the backlog shrinks, to tell refused producers when there will be room."""

import asyncio
import time
from contextlib import suppress

from storage.drain_rate import DrainRate
from storage.errors import QueueUnavailable
from storage.inspector import Inspector

LOOK_SECONDS = 1.0
ROOM = 10  # a tenth of the backlog stored is room enough to try again


class BacklogWatch:
    """Looks at the queue once a second while it runs."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._rate = DrainRate()
        self._backlog = 0
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End after the look under way, which is told and not cancelled: redis-py may take a
        cancellation for a lost connection, and the loop would go on for ever."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    @property
    def stored_per_second(self) -> float:
        """Over the last seconds."""
        return self._rate.per_second

    def retry_seconds(self) -> int:
        """When to try again what was refused for want of room."""
        return self._rate.seconds_for(-(-self._backlog // ROOM))

    async def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(QueueUnavailable):
                shards = await self._inspector.shards()
                self._backlog = sum(shard.backlog for shard in shards)
                self._rate.observe(time.monotonic(), sum(shard.trimmed for shard in shards))
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._stopping.wait()
