"""Watching how fast the backlog shrinks, to tell refused producers when there will be room, and
operators which shards stand still."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress

from storage.errors import QueueUnavailable
from storage.queue.drain_rate import DrainRate
from storage.queue.inspector import Inspector, ShardState
from storage.queue.standstill import Standstill

POLL_SECONDS = 1.0
ROOM = 10  # a tenth of the backlog stored is room enough to try again

log = logging.getLogger(__name__)


class BacklogMonitor:
    """Looks at the queue once a second while it runs."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._rate = DrainRate()
        self._standstill = Standstill()
        self._failing = False
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
    def stored_per_second(self) -> float | None:
        """Over the last seconds; None where it is not known yet."""
        return self._rate.per_second

    def standing_still(self, shards: Sequence[ShardState]) -> dict[int, float]:
        """Those of these shards, as they are now, that have stored nothing for so many seconds."""
        self._standstill.observe(time.monotonic(), shards)
        return self._standstill.seconds(time.monotonic())

    def retry_seconds(self) -> int:
        """When to try again what was refused for want of room."""
        return self._rate.seconds_for(-(-self._backlog // ROOM))

    async def _run(self) -> None:
        while not self._stopping.is_set():
            await self._look()
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._stopping.wait()

    async def _look(self) -> None:
        try:
            shards = await self._inspector.shards()
            self._backlog = sum(shard.backlog for shard in shards)
            self._rate.observe(time.monotonic(), sum(shard.trimmed for shard in shards))
            self._standstill.observe(time.monotonic(), shards)
        except QueueUnavailable:
            self._failing = False
        except Exception:  # nobody else would start the watch again
            if not self._failing:
                log.exception("the backlog is not watched")
            self._failing = True
        else:
            self._failing = False
