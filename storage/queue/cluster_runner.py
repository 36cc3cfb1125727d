"""Append to shards on a cluster: what surely was not written can go to another shard.

The primary of a shard may be away, may move the shard, or may lack its replicas, while others are
well. Events whose fate is unknown must go nowhere else: they might be stored twice.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, cast

import redis.asyncio
from redis.exceptions import (
    ClusterDownError,
    ConnectionError,
    NoScriptError,
    OutOfMemoryError,
    RedisError,
    SlotNotCoveredError,
    TimeoutError,
)

from storage.errors import QueueUnavailable, ReplicasBehind, ShardFull, ShardUnusable, StorageError
from storage.queue.replicas import (
    CHECK_MS,
    WAIT_MS,
    Replicas,
    ReplicatedRunner,
    require,
    waits,
)
from storage.redis import keys
from storage.redis.client import connect_async
from storage.redis.cluster import AsyncCluster, is_cluster, learn_slots, node_of
from storage.redis.cluster_calls import Command, send, wrote_nothing
from storage.redis.script_runner import Argument, digest, source
from storage.redis.sentinel import watch_primary
from storage.server_errors import SHARD_PREFIX
from storage.settings import StorageSettings

LEFT_ALONE_SECONDS = 5.0  # a server that has just let a call wait in vain
PROBE_SECONDS = 0.1  # that an append waits for replicas that were behind, before others are tried

_PROBE = "queue/probe"


class ClusterRunner:
    """Runs appending scripts, each on the primary of its shard.

    With `replicas`, what a script returns counts once so many replicas have the writes on disk.
    After an append that too few have confirmed, nothing is appended to shards of that primary until
    they confirm again: producers repeat what was refused, and the queue would fill with the
    repetitions.
    """

    def __init__(self, client: redis.asyncio.Redis, replicas: int = 0) -> None:
        """With `replicas`, lend the client to nobody else: its connections wait for them."""
        self._client = client
        self.count = replicas
        self._waits = waits(replicas, WAIT_MS) if replicas else ()
        self._behind: set[str] = set()  # primaries whose replicas are
        self._probes: dict[str, asyncio.Task[None]] = {}
        self._left_alone: dict[str, float] = {}  # server: loop time until which it is

    async def run(self, script: str, names: Sequence[str], args: Iterable[Argument]) -> Any:
        """Run a script as `script_runner.run` does. `names`: the stream of the shard comes first.

        Raises ShardUnusable, ShardFull or ReplicasBehind if nothing was written. After
        NotReplicated, and after errors of redis-py, the events may be queued.
        """
        stream = names[0]
        node = await self._owner(stream)
        if node.name in self._behind:
            await self._probe(node.name, stream)
        answer, *waited = await self._write(node, script, names, list(args))
        if waited and not isinstance(answer, int):  # an int is a refusal: nothing was written
            await self._judge(stream, waited)
        return answer

    async def close(self) -> None:
        """Close the connections."""
        probes = list(self._probes.values())
        for each in probes:
            each.cancel()
        await asyncio.gather(*probes, return_exceptions=True)
        await self._client.aclose()

    async def _confirm(self, stream: str) -> None:
        name = keys.probe_of(stream)
        _, *waited = await self._write(await self._owner(name), _PROBE, [name], [])
        await self._judge(stream, waited)

    async def _judge(self, stream: str, waited: Sequence[Any]) -> None:
        primary = (await _owner(self._client, stream)).name
        self._behind.add(primary)
        require(waited, self.count)
        self._behind.discard(primary)

    async def _probe(self, primary: str, stream: str) -> None:
        """Raise ReplicasBehind, unless the replicas confirm soon. The probe goes on meanwhile."""
        probe = self._probes.get(primary)
        if probe is None:
            probe = self._probes[primary] = asyncio.create_task(self._try_to_confirm(stream))
            probe.add_done_callback(lambda _: self._probes.pop(primary))
        await asyncio.wait({probe}, timeout=PROBE_SECONDS)
        if primary in self._behind:
            raise ReplicasBehind(
                f"fewer than {self.count} replicas (ACTIVITY_QUEUE_REPLICAS) have confirmed the "
                "last write to the server of a shard"
            )

    async def _try_to_confirm(self, stream: str) -> None:
        with suppress(RedisError, StorageError):
            await self._confirm(stream)

    async def _write(
        self, node: Any, script: str, names: Sequence[str], args: Sequence[Argument]
    ) -> list[Any]:
        """Return the answers to the script, and to WAIT and WAITAOF if they are sent.

        Try a second time if it may help; no event is added twice to one shard. `node` has the keys.
        """
        is_first, may_be_written = True, False
        while True:
            try:
                forms = _forms(script)
                forms = forms if is_first else forms[-1:]  # another server may not know it
                answers = await _run(self._client, node, forms, names, args, self._waits)
                break
            except RedisError as error:
                may_be_written = may_be_written or not wrote_nothing(error)
                node = await self._to_try_next(error, node, names[0]) if is_first else None
                if node is None and may_be_written:
                    raise
                if node is None:
                    raise _not_written(error) from error
                is_first = False
        if may_be_written and isinstance(answers[0], int):
            raise TimeoutError("the first answer was lost, and the second one is a refusal")
        return answers

    async def _owner(self, key: str) -> Any:
        """Return the primary with the key. Raises ShardUnusable if it is left alone."""
        node = await _owner(self._client, key)
        until = self._left_alone.get(node.name, 0.0)
        if asyncio.get_running_loop().time() < until:
            raise ShardUnusable(f"the server of a shard ({node.name}) has just not answered")
        if self._left_alone.pop(node.name, None):
            await learn_slots(self._client, node.name)
            node = await _owner(self._client, key)
        return node

    async def _to_try_next(self, error: RedisError, node: Any, key: str) -> Any:
        """Return the server for a second attempt; None if none would help."""
        if not isinstance(error, ConnectionError | TimeoutError | ClusterDownError):
            return None
        if isinstance(error, TimeoutError):
            until = asyncio.get_running_loop().time() + LEFT_ALONE_SECONDS
            self._left_alone[node.name] = until
        with suppress(RedisError, StorageError):
            await learn_slots(self._client, node.name)
            found = await _owner(self._client, key)
            was_lost = isinstance(error, ConnectionError) and not wrote_nothing(error)
            if was_lost or found.name != node.name:
                return found
        return None


def replicated_runner(settings: StorageSettings) -> Replicas | None:
    """Return a runner with a client of its own; None if no replica is awaited.

    Call it in the event loop: the Sentinels of a queue are asked from now on.
    """
    if not settings.queue_replicas:
        return None
    client = connect_async(settings.queue_url)
    if is_cluster(client):
        return ClusterRunner(client, settings.queue_replicas)
    watch_primary(client)
    return ReplicatedRunner(client, settings.queue_replicas)


async def shortages(
    client: redis.asyncio.Redis, tags: Sequence[keys.Tag], replicas: int
) -> list[BaseException]:
    """Return why shards on a cluster acknowledge nothing now, an error for each that does not."""
    calls = [_require_confirmed(client, keys.probe(tag), replicas) for tag in tags]
    found = await asyncio.gather(*calls, return_exceptions=True)
    return [each for each in found if each is not None]


async def _require_confirmed(client: redis.asyncio.Redis, name: str, replicas: int) -> None:
    node = await _owner(client, name)
    waiting = waits(replicas, CHECK_MS)
    _, *waited = await _run(client, node, _forms(_PROBE), [name], [], waiting)
    require(waited, replicas)


async def _owner(client: redis.asyncio.Redis, key: str) -> Any:
    """Return the primary with the key. Raises ShardUnusable, and redis-py's errors."""
    try:
        return await node_of(client, key)
    except ConnectionError as error:
        if isinstance(error.__cause__, SlotNotCoveredError):
            raise ShardUnusable("a shard of the queue has no server") from error
        raise


def _forms(script: str) -> Sequence[Command]:
    """Return how a script is sent: by its digest; if the server does not know that, by its text."""
    return ("EVALSHA", digest(script)), ("EVAL", source(script))


async def _run(
    client: redis.asyncio.Redis,
    node: Any,
    forms: Sequence[Command],
    names: Sequence[str],
    args: Sequence[Argument],
    waiting: Sequence[Command],
) -> list[Any]:
    """Return the answers of one attempt. Raises the error of the script, and redis-py's errors."""
    cluster, rest = cast(AsyncCluster, client), (len(names), *names, *args)
    for form in forms:
        answers = await send(cluster, node, names[0], (*form, *rest), *waiting)
        if not isinstance(answers[0], NoScriptError):
            break
    if isinstance(answers[0], Exception):
        raise answers[0]
    return answers


def _not_written(error: RedisError) -> QueueUnavailable:
    if isinstance(error, OutOfMemoryError):
        return ShardFull("a server of the queue has reached its memory limit")
    reason = str(error).removeprefix(SHARD_PREFIX)
    return ShardUnusable(f"a shard of the queue can't take events: {reason}")
