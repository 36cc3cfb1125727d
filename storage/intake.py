"""The queue as the API sees it: append events, find one that still waits, tell the horizon."""

from collections.abc import Sequence
from typing import Any

import redis.asyncio
from redis.commands.core import AsyncScript

from storage import keys
from storage.errors import QueueUnavailable, queue_errors
from storage.scripts import source

QUEUED_TTL_MS = 2_000  # how long a queued drain may take to start before the sweeper looks
GREATEST_AGE_MS = 30_000  # an event older than this is refused, never appended late


class Intake:
    """Appends to and looks into the shards' streams. Safe for many tasks of one event loop."""

    def __init__(self, client: redis.asyncio.Redis, shards: int) -> None:
        self._client = client
        self._shards = self._most_shards = shards
        self._announced = False
        self._append: AsyncScript = client.register_script(source("queue/append"))
        self._find: AsyncScript = client.register_script(source("queue/find"))

    async def announce(self) -> None:
        """Record the number of shards, so that sweepers find them all, also once there are fewer.

        Writes, so it also tells whether the queue can. Raises QueueUnavailable or QueueFull.
        """
        with queue_errors():
            await self._client.zadd(keys.SHARD_COUNT, {"count": self._shards}, gt=True)
        self._announced = True

    async def append(self, shard: int, oldest_ms: int, items: Sequence[bytes]) -> int:
        """Put events on a shard; they are on the queue's disk when this returns.

        `items` is id, event, id, event ... (16 bytes, JSON). Calling it again with the same ids
        after an answer was lost adds nothing twice. Returns the generation of the drain to
        enqueue, 0 when one is on its way. Raises QueueUnavailable or QueueFull; then the events
        may be on the queue all the same if an answer was lost.
        """
        if not self._announced:  # the queue was away at the start
            await self.announce()
        with queue_errors():
            generation = await self._append(
                keys=[keys.stream(shard), keys.state(shard), keys.ids(shard)],
                args=[QUEUED_TTL_MS, oldest_ms, GREATEST_AGE_MS, *items],
            )
        if generation == -1:
            raise QueueUnavailable(
                f"the events are more than {GREATEST_AGE_MS // 1000} s older than the queue's "
                "clock: the queue stood still, or this machine's clock is behind"
            )
        return int(generation)

    async def find(self, event_id: bytes) -> bytes | None:
        """The JSON of a queued event by its 16 id bytes; None when no shard has it."""
        with queue_errors():
            pipe = self._client.pipeline(transaction=False)
            for shard in range(self._most_shards):
                shard_keys = [keys.ids(shard), keys.stream(shard)]
                await self._find(keys=shard_keys, args=[event_id], client=pipe)
            *found, known = await self._with_shard_count(pipe)
        event = next((event for event in found if event is not None), None)
        return await self.find(event_id) if event is None and not known else event

    async def horizon_ms(self) -> int:
        """Everything created before this instant (ms) is stored or will never be.

        An event is appended at most GREATEST_AGE_MS after its creation, so what is created
        before the oldest entry's time less that age is no longer underway.
        """
        with queue_errors():
            pipe = self._client.pipeline(transaction=False)
            pipe.time()
            for shard in range(self._most_shards):
                pipe.xrange(keys.stream(shard), count=1)
            (seconds, micros), *firsts, known = await self._with_shard_count(pipe)
        if not known:
            return await self.horizon_ms()
        oldest = [int(first[0][0].split(b"-")[0]) for first in firsts if first]
        now: int = seconds * 1000 + micros // 1000
        return min([now, *oldest]) - GREATEST_AGE_MS

    async def _with_shard_count(self, pipe: Any) -> list[Any]:
        """Run the pipeline; its answers, then whether it looked at every shard there is."""
        pipe.zscore(keys.SHARD_COUNT, "count")
        *answers, most = await pipe.execute()
        known = int(most or 0) <= self._most_shards
        self._most_shards = max(self._most_shards, int(most or 0))
        return [*answers, known]

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()
