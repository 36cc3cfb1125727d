"""Monitor the backlog: when producers may retry, which shards stand still, workers wanted."""

import time
from collections.abc import Callable, Sequence

from storage.periodic import PeriodicTask
from storage.queue.counter_rate import CounterRate
from storage.queue.drain_rate import DrainRate
from storage.queue.inspector import Inspector, ShardState
from storage.queue.pace import recent_pace, workers_wanted
from storage.queue.standstill import Standstill

POLL_SECONDS = 1.0
ACCEPTED_WINDOW_SECONDS = 30.0
MIN_ACCEPTED_SECONDS = 5.0  # an API process that has just started knows no rate yet
Observe = Callable[[float, Sequence[ShardState]], None]

RETRY_SHARE = 10  # producers may retry once a tenth of the backlog is stored


class BacklogMonitor(PeriodicTask):
    """Polls the queue once a second while it runs."""

    def __init__(self, inspector: Inspector, observe: Observe | None = None) -> None:
        """`observe`: gets each reading of the shards, and when it began by the monotonic clock."""
        super().__init__("backlog monitor", POLL_SECONDS)
        self._inspector = inspector
        self._observe = observe
        self._rate = DrainRate()
        self._accepted = CounterRate(ACCEPTED_WINDOW_SECONDS, MIN_ACCEPTED_SECONDS)
        self._standstill = Standstill()
        self._backlog = 0
        self._shards: Sequence[ShardState] | None = None

    @property
    def shards(self) -> Sequence[ShardState] | None:
        """The last reading of the shards; None before the first one."""
        return self._shards

    @property
    def stored_per_second(self) -> float | None:
        """The rate over the last seconds; None if it is not known yet."""
        return self._rate.per_second

    def workers_wanted(self, shards: Sequence[ShardState]) -> int | None:
        """Return how many workers are wanted; None if a rate is unknown. `shards` is as of now."""
        pace = recent_pace([shard.pace for shard in shards if shard.pace])
        backlog = sum(shard.backlog for shard in shards)
        most = self._inspector.configured_shards
        return workers_wanted(self._accepted.per_second, backlog, pace, most)

    def standing_still(self, shards: Sequence[ShardState]) -> dict[int, float]:
        """Return the shards that stand still, and for how many seconds; `shards` is as of now."""
        self._standstill.observe(time.monotonic(), shards)
        return self._standstill.seconds(time.monotonic())

    def retry_seconds(self) -> int:
        """Return the seconds after which a producer refused by a full queue should retry."""
        return self._rate.seconds_for(-(-self._backlog // RETRY_SHARE))

    async def run_once(self) -> None:
        """Read every shard's counters. Raises QueueUnavailable."""
        began = time.monotonic()
        shards = await self._inspector.shards()
        if self._observe is not None:
            self._observe(began, shards)
        self._shards = shards
        self._backlog = sum(shard.backlog for shard in shards)
        now = time.monotonic()
        self._rate.observe(now, sum(shard.trimmed for shard in shards))
        self._accepted.observe(now, sum(shard.accepted for shard in shards))
        self._standstill.observe(now, shards)
