"""The inspector of a queue on a cluster: each shard tells of itself, and each primary."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

import redis.asyncio
from redis.exceptions import RedisError, ResponseError

from storage.errors import NotReplicated
from storage.queue.cluster_runner import shortages
from storage.queue.durability import (
    FSYNC_MS,
    PROMISED,
    Durability,
    fsync_problems,
    setting_problems,
)
from storage.queue.inspector import (
    Inspector,
    QueueServer,
    ShardState,
    aof_ok,
    failover_loss,
    memory_ratio,
    require_confirmed,
    shard_names,
    shard_state,
)
from storage.queue.replicas import CHECK_MS
from storage.queue.shard_count import shard_count
from storage.redis import keys
from storage.redis.cluster import AsyncCluster, ask_primaries, is_cluster, node_of
from storage.redis.cluster_calls import send
from storage.redis.script_runner import run, source
from storage.redis.server_check import RedisServer
from storage.server_errors import queue_errors
from storage.settings import StorageSettings

_WORST_FIRST: Sequence[Durability] = ("weak", "unknown", "checked")


def inspector_of(client: redis.asyncio.Redis, settings: StorageSettings) -> Inspector:
    """Return the inspector for this client, in a process with these settings."""
    kind = ClusterInspector if is_cluster(client) else Inspector
    trusted = settings.queue_durability == "trusted"
    return kind(client, settings.shards, trusted, settings.queue_replicas)


class ClusterInspector(Inspector):
    """Reads the shards and the primaries; writes only the probe keys."""

    async def shards(self) -> list[ShardState]:
        """Return the state of every shard there ever was. Raises QueueUnavailable."""
        with queue_errors():
            tags = await self._all_tags()
            calls = [run(self._client, "queue/inspect", shard_names(tag)) for tag in tags]
            found = await asyncio.gather(*calls)
        return [shard_state(shard, answer) for shard, answer in enumerate(found)]

    async def proven_shards(self) -> list[ShardState]:
        """Return the same from servers that take writes, and have the replicas that are awaited.

        Raises QueueUnavailable, NotReplicated.
        """
        with queue_errors():
            tags = await self._all_tags()
            found = await asyncio.gather(*map(self._proven, tags))
        return [shard_state(shard, answer) for shard, answer in enumerate(found)]

    async def _proven(self, tag: keys.Tag) -> Any:
        """Write to the shard's server, wait for its replicas, and read, over one connection."""
        names = shard_names(tag)
        answers = await send(
            cast(AsyncCluster, self._client),
            await self._node(names[0]),
            names[0],
            ("EVAL", source("queue/probe"), 1, keys.probe(tag)),
            ("WAIT", self._awaited, CHECK_MS),
            ("EVAL", source("queue/inspect"), len(names), *names),
        )
        for each in answers:
            if isinstance(each, Exception):
                raise each
        require_confirmed(answers[1], self._awaited)
        return answers[2]

    async def server(self) -> QueueServer:
        """Check whether every primary keeps what it acknowledges. Raises QueueUnavailable."""
        with queue_errors():
            infos = [_answer(each) for each in await ask_primaries(self._client, "INFO")]
            levels = [] if self._trusted else await self._durabilities()
            shortage = await self._shortage()
        level: Durability = (
            "stated"
            if self._trusted
            else min((level for level, _ in levels), key=_WORST_FIRST.index)
        )
        problems = [problem for _, found in levels for problem in found]
        replicas = min((RedisServer.of(info).replicas for info in infos if info), default=None)
        if replicas and not self._awaited and not self._trusted:
            problems.append(failover_loss("replicas"))
        kept = [aof_ok(level, info) for info in infos]
        used = [ratio for info in infos if (ratio := memory_ratio(info)) is not None]
        return QueueServer(
            level,
            replicas,
            list(dict.fromkeys(problems)),
            [shortage] if shortage else [],
            False if False in kept else None if None in kept else True,
            max(used, default=None),
            self._awaited,
            shortage,
        )

    async def _shortage(self) -> str:
        """Return why no event of some shards, or of all, is acknowledged; empty if all are."""
        if not self._awaited:
            return ""
        tags = keys.tags(self._client)[: self._shards]
        failed = await shortages(self._client, tags, self._awaited)
        for error in failed:
            if not isinstance(error, NotReplicated | ResponseError):
                raise error
        if not failed:
            return ""
        of_some = f"no event of {len(failed)} of {len(tags)} shards"
        which = "no event" if len(failed) == len(tags) else of_some
        return f"{which} is acknowledged: {failed[0]}"

    async def _all_tags(self) -> Sequence[keys.Tag]:
        """Return the tags of every shard there ever was."""
        tags = keys.tags(self._client)
        names = [keys.shard_count(tag) for tag in tags[: self._shards]]
        found = await asyncio.gather(*(self._client.zscore(name, "count") for name in names))
        return tags[: shard_count(self._shards, max(count or 0 for count in found))]

    async def _durabilities(self) -> list[tuple[Durability, list[str]]]:
        """Return what is known of each primary that has a shard."""
        names = [keys.probe(tag) for tag in keys.tags(self._client)[: self._shards]]
        nodes = {node.name: (node, name) for name in names for node in [await self._node(name)]}
        return list(await asyncio.gather(*(self._durability_of(*each) for each in nodes.values())))

    async def _node(self, name: str) -> Any:
        return await node_of(self._client, name)

    async def _durability_of(self, node: Any, name: str) -> tuple[Durability, list[str]]:
        client: Any = self._client
        try:
            found = await client.config_get(*PROMISED, target_nodes=node)
        except ResponseError:
            return setting_problems(None)
        level, problems = setting_problems(found)
        if level != "checked":
            return level, problems
        write, wait = ("SET", name, int(time.time() * 1000)), ("WAITAOF", 1, 0, FSYNC_MS)
        written, fsynced = await send(client, node, name, write, wait)
        return fsync_problems(written, fsynced)


def _answer(answer: Any) -> dict[str, Any]:
    """Return INFO, empty if it is refused. Raises redis-py's error of a primary that is away."""
    if isinstance(answer, ResponseError):
        return {}
    if isinstance(answer, RedisError):
        raise answer
    return dict(answer)
