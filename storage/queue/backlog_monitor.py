"""Watching how fast the backlog shrinks, to tell refused producers when there will be room, and
operators which shards stand still."""

import time
from collections.abc import Sequence

from storage.periodic import PeriodicTask
from storage.queue.drain_rate import DrainRate
from storage.queue.inspector import Inspector, ShardState
from storage.queue.standstill import Standstill

POLL_SECONDS = 1.0
ROOM = 10  # a tenth of the backlog stored is room enough to try again


class BacklogMonitor(PeriodicTask):
    """Looks at the queue once a second while it runs."""

    def __init__(self, inspector: Inspector) -> None:
        super().__init__("backlog monitor", POLL_SECONDS)
        self._inspector = inspector
        self._rate = DrainRate()
        self._standstill = Standstill()
        self._backlog = 0

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

    async def run_once(self) -> None:
        """Read every shard's counters. Raises QueueUnavailable."""
        shards = await self._inspector.shards()
        self._backlog = sum(shard.backlog for shard in shards)
        self._rate.observe(time.monotonic(), sum(shard.trimmed for shard in shards))
        self._standstill.observe(time.monotonic(), shards)
