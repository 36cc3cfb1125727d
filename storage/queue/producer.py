"""The queue as the API sees it: append events, find one that still waits, tell the watermark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import redis.asyncio

from storage.errors import (
    KeyReused,
    KeysFull,
    QueueUnavailable,
    ShardFull,
    ShardPaused,
    queue_errors,
)
from storage.queue.shard_count import shard_count
from storage.redis import keys
from storage.redis.script_runner import run
from storage.redis.server_check import require_fit_queue

QUEUED_TTL_MS = 2_000  # how long a queued drain may take to start before the sweeper looks
MAX_AGE_MS = 30_000  # an event older than this is refused, never appended late


IDEMPOTENCY_TTL_MS = 24 * 3600 * 1000  # how long an idempotency key is remembered


@dataclass(frozen=True, slots=True)
class BacklogLimits:
    """Of the whole backlog: events, their bytes, and idempotency keys remembered."""

    events: int = 2_000_000
    bytes: int = 512 * 1024 * 1024
    keys: int = 1_000_000

    def of_shard(self, shards: int) -> "BacklogLimits":
        """The part of one shard."""
        return BacklogLimits(self.events // shards, self.bytes // shards, self.keys // shards)


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """An idempotency key (16 bytes), the request it came with (16), and what to answer it later."""

    key: bytes
    fingerprint: bytes
    answer: bytes

    def shard(self, shards: int) -> int:
        """The same for every request with this key."""
        return int.from_bytes(self.key[:4], "big") % shards


class QueuePosition(NamedTuple):
    """Where events wait: they have left the shard once `end` events are trimmed from it."""

    shard: int
    end: int


class Appended(NamedTuple):
    """What an append did: the generation of the drain to enqueue, 0 when one is on its way.

    The backlog is the shard's, in events and bytes.
    """

    generation: int
    position: QueuePosition
    backlog_events: int
    backlog_bytes: int


class Duplicate(NamedTuple):
    """The idempotency key is known: what to answer, and where its events wait, at the latest."""

    answer: bytes
    position: QueuePosition


class QueueProducer:
    """Appends to and looks into the shards' streams. Safe for many tasks of one event loop.

    `limits` are those of one shard.
    """

    def __init__(
        self, client: redis.asyncio.Redis, shards: int, limits: BacklogLimits | None = None
    ) -> None:
        self._client = client
        self._shards = self._max_shards = shards
        self.limits = (limits or BacklogLimits()).of_shard(shards)
        self._announced = False

    async def announce(self) -> None:
        """Record the number of shards, so that sweepers find them all, also once there are fewer.

        Writes, so it also tells whether the queue can. Raises QueueUnavailable, QueueUnsuitable or
        QueueFull.
        """
        with queue_errors():
            pipe = self._client.pipeline(transaction=False)
            pipe.info()
            pipe.zadd(keys.SHARD_COUNT, {"count": self._shards}, gt=True)
            info, written = await pipe.execute(raise_on_error=False)
            if isinstance(info, dict):  # some hosts refuse INFO
                require_fit_queue(info)
            if isinstance(written, Exception):
                raise written
        self._announced = True

    async def append(
        self, shard: int, oldest_ms: int, items: Sequence[bytes], even_paused: bool = False
    ) -> Appended:
        """Put events on a shard; they are on the queue's disk when this returns.

        `items` is id, event, id, event ... (16 bytes, JSON). Calling it again with the same items
        after an answer was lost adds nothing twice. Raises QueueUnavailable, QueueFull, ShardFull;
        then the events may be on the queue all the same if an answer was lost. Raises ShardPaused
        where the shard's last drain failed, unless it is to take them `even_paused`.
        """
        if not self._announced:  # the queue was away at the start
            await self.announce()
        with queue_errors():
            args: list[bytes | int] = [*self._bounds(oldest_ms), int(even_paused), *items]
            answer = await run(self._client, "queue/append", _keys(shard), args)
        return _appended(shard, answer)

    async def append_idempotent(
        self, record: IdempotencyRecord, oldest_ms: int, items: Sequence[bytes]
    ) -> Appended | Duplicate:
        """The same, once for each idempotency key.

        The key says which shard, so also one whose last drain failed takes them. A key seen
        before: what `record.answer` was then. Raises KeyReused when that was another
        request, and what `append` raises.
        """
        shard = record.shard(self._shards)
        with queue_errors():
            answer = await run(
                self._client,
                "queue/append_idempotent",
                [
                    *_keys(shard),
                    keys.idempotency_record(shard, record.key),
                    keys.idempotency_expiry(shard),
                ],
                [
                    *self._bounds(oldest_ms),
                    record.fingerprint,
                    IDEMPOTENCY_TTL_MS,
                    self.limits.keys,
                    record.answer,
                    *items,
                ],
            )
        if isinstance(answer, int) or not isinstance(answer[0], bytes):
            return _appended(shard, answer)
        known, end = answer
        if known[: len(record.fingerprint)] != record.fingerprint:
            raise KeyReused("this idempotency key was used for another request")
        return Duplicate(known[len(record.fingerprint) :], QueuePosition(shard, end))

    def _bounds(self, oldest_ms: int) -> list[int]:
        return [QUEUED_TTL_MS, oldest_ms, MAX_AGE_MS, self.limits.events, self.limits.bytes]

    async def find(self, event_ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """The JSON of those events that are queued, by their 16 id bytes."""
        with queue_errors():
            async with self._client.pipeline(transaction=False) as pipe:
                for shard in range(self._max_shards):
                    shard_keys = [keys.ids(shard), keys.stream(shard)]
                    await run(pipe, "queue/find", shard_keys, event_ids)
                *answers, known = await self._with_shard_count(pipe)
        if not known:
            return await self.find(event_ids)
        return {
            event_id: event
            for found in answers
            for event_id, event in zip(event_ids, found, strict=True)
            if event is not None
        }

    async def trimmed(self, shards: Sequence[int]) -> list[int]:
        """How many events have left each of these shards, each after its commit."""
        with queue_errors():
            pipe = self._client.pipeline(transaction=False)
            for shard in shards:
                pipe.hget(keys.state(shard), "trimmed")
            return [int(count or 0) for count in await pipe.execute()]

    async def watermark_ms(self) -> int:
        """Everything created before this instant (ms) is stored or will never be.

        An event is appended at most MAX_AGE_MS after its creation, so what is created
        before the oldest entry's time less that age is no longer on its way.
        """
        with queue_errors():
            pipe = self._client.pipeline(transaction=False)
            pipe.time()
            for shard in range(self._max_shards):
                pipe.xrange(keys.stream(shard), count=1)
            (seconds, micros), *firsts, known = await self._with_shard_count(pipe)
        if not known:
            return await self.watermark_ms()
        oldest = [int(first[0][0].split(b"-")[0]) for first in firsts if first]
        now: int = seconds * 1000 + micros // 1000
        return min([now, *oldest]) - MAX_AGE_MS

    async def _with_shard_count(self, pipe: Any) -> list[Any]:
        """Run the pipeline; its answers, then whether it looked at every shard there is."""
        pipe.zscore(keys.SHARD_COUNT, "count")
        *answers, most = await pipe.execute()
        looked_at, self._max_shards = self._max_shards, shard_count(self._max_shards, most)
        return [*answers, looked_at == self._max_shards]

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()


_REFUSALS: dict[int, Callable[[], QueueUnavailable]] = {
    -1: lambda: QueueUnavailable(
        f"the events are more than {MAX_AGE_MS // 1000} s older than the queue's clock: the "
        "queue stood still, or this machine's clock is behind"
    ),
    -2: lambda: ShardFull("the backlog has reached its limit"),
    -4: lambda: ShardPaused("the last drain of this shard failed"),
    -3: lambda: KeysFull("as many idempotency keys as allowed are remembered already"),
}


def _keys(shard: int) -> list[str]:
    return [keys.stream(shard), keys.state(shard), keys.ids(shard)]


def _appended(shard: int, answer: Any) -> Appended:
    """The answer of a script that appends; raises what it refuses."""
    if isinstance(answer, int):
        raise _REFUSALS[answer]()
    generation, end, events, size = answer
    return Appended(generation, QueuePosition(shard, end), events, size)
