"""The queue as the API sees it: append events, find queued events, compute the watermark."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter_ns
from typing import Any, NamedTuple

import redis.asyncio
from redis.exceptions import NoScriptError

from storage.errors import KeyReused, KeysFull, QueueUnavailable, ShardFull, ShardPaused
from storage.metrics.instruments import queue_append
from storage.model.event import span_ms
from storage.queue.replicas import Replicas, confirm
from storage.queue.shard_count import shard_count
from storage.queue.witness import Witness
from storage.redis import keys
from storage.redis.script_runner import Argument, digest, run, source
from storage.redis.server_check import require_fit_queue
from storage.server_errors import queue_errors

QUEUED_TTL_MS = 2_000  # how long a queued drain may take to start before the sweeper acts
MAX_AGE_MS = 30_000  # an older event is refused: the watermark relies on it
IDEMPOTENCY_TTL_MS = 24 * 3600 * 1000  # how long an idempotency key is remembered

Names = Callable[[keys.Tag], Sequence[str]]  # the keys of a shard that a script names


@dataclass(frozen=True, slots=True)
class BacklogLimits:
    """The most events, bytes of events, and remembered idempotency keys."""

    events: int = 2_000_000
    bytes: int = 512 * 1024 * 1024
    keys: int = 1_000_000

    def of_shard(self, shards: int) -> "BacklogLimits":
        """Return the share of one shard."""
        return BacklogLimits(self.events // shards, self.bytes // shards, self.keys // shards)


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """The digests of an idempotency key and its request (16 bytes each), and the answer to keep."""

    key: bytes
    fingerprint: bytes
    answer: bytes

    def shard(self, shards: int) -> int:
        """Return the shard for this key: the same for every request with the key."""
        return int.from_bytes(self.key[:4], "big") % shards


class QueuePosition(NamedTuple):
    """Where events are queued: they have left the shard once `end` events were trimmed from it."""

    shard: int
    end: int


class Appended(NamedTuple):
    """The result of an append.

    `generation`: of the drain to enqueue, 0 if a drain is queued or running already. The backlog is
    that of the shard, in events and bytes.
    """

    generation: int
    position: QueuePosition
    backlog_events: int
    backlog_bytes: int


class Duplicate(NamedTuple):
    """The result for a known idempotency key: the answer kept, and the last possible position."""

    answer: bytes
    position: QueuePosition


class QueueProducer:
    """Appends to the shards' streams and reads them. Safe for many tasks of one event loop.

    `limits` are those of the whole backlog, `shard_limits` the share of one shard.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        shards: int,
        limits: BacklogLimits | None = None,
        replicas: Replicas | None = None,
    ) -> None:
        """`replicas`: must confirm what is appended; without them the queue's own disk suffices."""
        self._client = client
        self._replicas = replicas
        self._run = replicas.run if replicas else partial(run, client)
        self.witness = Witness()
        self._tags = keys.tags(client)
        self._shards = self._max_shards = shards
        self.shard_limits = (limits or BacklogLimits()).of_shard(shards)
        self._announced = False

    async def announce(self) -> None:
        """Record the number of shards, so that sweepers find all if fewer are configured later.

        This write also checks that the queue accepts writes. Raises QueueUnavailable,
        QueueUnsuitable or QueueFull.
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

    async def check(self) -> None:
        """Raise as `announce` does, and NotReplicated if too few replicas confirm a write."""
        await self.announce()
        if self._replicas:
            with queue_errors():
                await confirm(self._client, self._replicas.count)

    async def append(
        self,
        shard: int,
        oldest_ms: int,
        items: Sequence[bytes],
        even_paused: bool = False,
        imported: bool = False,
    ) -> Appended:
        """Append events to a shard; they are on the queue's disk when this returns.

        `items` is id, event, id, event ... (16 bytes, JSON). If the answer was lost, call again
        with the same items: no event is added twice. `oldest_ms` is when the first of them was
        accepted. Events that are `imported` may be queued on the shard already, in any order.

        Raises QueueUnavailable (if only the answer was lost, the events are queued all the same),
        NotReplicated (likewise), QueueFull, ShardFull, ShardUnusable; and ShardPaused if the
        shard's last drain failed, unless `even_paused`.
        """
        if not self._announced:  # the queue was away at the start
            await self.announce()
        times = span_ms(items[0::2]) if imported else [b"", b""]
        args: list[bytes | int] = [*self._bounds(oldest_ms), int(even_paused), *times, *items]
        return _appended(shard, await self._call("queue/append", shard, args))

    async def append_idempotent(
        self, record: IdempotencyRecord, oldest_ms: int, items: Sequence[bytes]
    ) -> Appended | Duplicate:
        """Append events, once for each idempotency key.

        The key determines the shard, even if the shard's last drain failed. For a known key, return
        the `record.answer` of its first request. Raises KeyReused if that was another request,
        KeysFull, and what `append` raises.
        """
        shard = record.shard(self._shards)
        tag = self._tags[shard]
        record_keys = [
            keys.idempotency_record(tag, record.key),
            keys.idempotency_expiry(tag),
            *self._probe(shard),
        ]
        args: list[bytes | int] = [
            *self._bounds(oldest_ms),
            record.fingerprint,
            IDEMPOTENCY_TTL_MS,
            self.shard_limits.keys,
            record.answer,
            *items,
        ]
        script = "queue/append_idempotent"
        answer = await self._call(script, shard, args, record_keys)
        if isinstance(answer, int) or not isinstance(answer[0], bytes):
            return _appended(shard, answer)
        known, end = answer
        return _duplicate(record, known, QueuePosition(shard, end))

    async def find_duplicate(self, record: IdempotencyRecord) -> Duplicate | None:
        """Return what the key's first request was answered; None for a new key. Appends nothing.

        Raises KeyReused, QueueUnavailable.
        """
        shard = record.shard(self._shards)
        tag = self._tags[shard]
        of_record = keys.idempotency_record(tag, record.key)
        names = [keys.stream(tag), keys.state(tag), of_record, *self._probe(shard)]
        script = "queue/find_record_kept" if self._replicas else "queue/find_record"
        with queue_errors():
            known, end = await self._run(script, names, [])
        return known and _duplicate(record, known, QueuePosition(shard, end))

    def _probe(self, shard: int) -> Sequence[str]:
        """Return what a script writes so that replicas confirm what it has read; else nothing."""
        return [keys.probe(self._tags[shard])] if self._replicas else []

    async def _call(
        self, script: str, shard: int, args: Sequence[bytes | int], more: Sequence[str] = ()
    ) -> Any:
        """Run an appending script, and observe how long it takes, also if it fails."""
        start, known = perf_counter_ns(), self.witness.known(shard)
        try:
            with queue_errors():
                answer = await self._run(script, [*_keys(self._tags[shard]), *more], args)
        finally:
            queue_append.observe_since(start)
        if not isinstance(answer, int):
            self._witness_answer(shard, known, answer)
        return answer

    def _witness_answer(self, shard: int, known: int, answer: Any) -> None:
        count = answer[1]
        if isinstance(answer[0], bytes):  # a duplicate: nothing was appended or confirmed
            self.witness.see(shard, known, count)
        else:
            self.witness.hear(shard, known, count - answer[4], count)

    def _bounds(self, oldest_ms: int) -> list[int]:
        limits = self.shard_limits
        return [QUEUED_TTL_MS, oldest_ms, MAX_AGE_MS, limits.events, limits.bytes]

    async def find(self, event_ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the JSON of those events that are queued, by their 16 id bytes."""
        answers = await self._of_shards(
            "queue/find", lambda tag: [keys.ids(tag), keys.stream(tag)], event_ids
        )
        return {
            event_id: event
            for found in answers
            for event_id, event in zip(event_ids, found, strict=True)
            if event is not None
        }

    async def known(self, raw_ids: Sequence[bytes]) -> set[bytes]:
        """Return which of many events are queued, by their 16 id bytes."""
        answers = await self._of_shards(
            "queue/known",
            lambda tag: [keys.ids(tag), keys.stream(tag), keys.state(tag)],
            [b"".join(raw_ids), *span_ms(raw_ids)],
        )
        return await self._kept(raw_ids, answers)

    async def _kept(self, raw_ids: Sequence[bytes], answers: Sequence[Sequence[int]]) -> set[bytes]:
        """Return the ids at the positions that each shard tells; with replicas, if these agree."""
        if self._replicas:
            ask, joined = self._replicas.run, [b"".join(raw_ids)]
            calls = [
                ask("queue/known_kept", [keys.stream(tag), keys.ids(tag), keys.probe(tag)], joined)
                for tag, positions in zip(self._tags, answers, strict=False)
                if positions
            ]
            with queue_errors():
                answers = await asyncio.gather(*calls)
        return {raw_ids[position] for positions in answers for position in positions}

    async def trimmed(self, shards: Sequence[int]) -> list[int]:
        """Return how many events have left each of these shards, each after its commit."""
        with queue_errors():
            pipe = self._client.pipeline(transaction=False)
            for shard in shards:
                pipe.hget(keys.state(shard), "trimmed")
            return [int(count or 0) for count in await pipe.execute()]

    async def watermark_ms(self) -> int:
        """Return the watermark (ms): every event created before it is stored, or never will be.

        An event is appended at most MAX_AGE_MS after its creation. So no event created before the
        time of the oldest entry, less MAX_AGE_MS, can still arrive, unless it is imported: then it
        is noticed, as any that comes late (`storage/cache/lua/common.lua`).
        """
        found = await self._of_shards("queue/watermark", lambda tag: [keys.stream(tag)])
        return min(map(int, found)) - MAX_AGE_MS

    async def _of_shards(
        self, script: str, names: Names, args: Sequence[Argument] = ()
    ) -> list[Any]:
        """Return the script's answer for every shard there is."""
        while True:
            tags = self._tags[: self._max_shards]
            with queue_errors():
                answers, announced = await self._ask(script, [names(tag) for tag in tags], args)
            self._max_shards = shard_count(self._max_shards, announced)
            if self._max_shards == len(tags):
                return answers

    async def _ask(
        self, script: str, names: Sequence[Sequence[str]], args: Sequence[Argument]
    ) -> tuple[list[Any], float | None]:
        """Return the script's answers, one for each of `names`, and the number of shards announced.

        In one round trip: redis-py's own `Script` asks first whether the server knows the script.
        Raises redis-py's errors.
        """
        for is_last in (False, True):
            async with self._client.pipeline(transaction=False) as pipe:
                for some in names:
                    pipe.evalsha(digest(script), len(some), *some, *args)
                pipe.zscore(keys.SHARD_COUNT, "count")
                try:
                    *answers, announced = await pipe.execute()
                    break
                except NoScriptError:
                    if is_last:
                        raise
            await self._client.script_load(source(script))
        return answers, announced

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        if self._replicas:
            await self._replicas.close()


_REFUSALS: dict[int, Callable[[], QueueUnavailable]] = {
    -1: lambda: QueueUnavailable(
        f"the events are more than {MAX_AGE_MS // 1000} s older than the queue's clock: the "
        "queue was stalled, or this machine's clock is behind"
    ),
    -2: lambda: ShardFull("the backlog has reached its limit"),
    -4: lambda: ShardPaused("the last drain of this shard failed"),
    -3: lambda: KeysFull("the limit of remembered idempotency keys is reached"),
}


def _keys(tag: keys.Tag) -> list[str]:
    return [keys.stream(tag), keys.state(tag), keys.ids(tag)]


def _duplicate(record: IdempotencyRecord, known: bytes, position: QueuePosition) -> Duplicate:
    """Return what a record on the queue says. Raises KeyReused if it is of another request."""
    if known[: len(record.fingerprint)] != record.fingerprint:
        raise KeyReused("this idempotency key was used for another request")
    return Duplicate(known[len(record.fingerprint) :], position)


def _appended(shard: int, answer: Any) -> Appended:
    """Convert the answer of an appending script; raise the error for a refusal."""
    if isinstance(answer, int):
        raise _REFUSALS[answer]()
    generation, end, events, size, _ = answer
    return Appended(generation, QueuePosition(shard, end), events, size)
