"""The producer for a queue on a cluster: one call a shard in place of a pipeline over shards."""

import asyncio
from collections.abc import Sequence
from typing import Any

import redis.asyncio

from storage.queue.cluster_runner import ClusterRunner, shortages
from storage.queue.producer import BacklogLimits, QueueProducer
from storage.queue.replicas import Replicas
from storage.redis import keys
from storage.redis.cluster import ask_primaries, is_cluster
from storage.redis.script_runner import Argument, run
from storage.redis.server_check import require_fit_queue
from storage.server_errors import queue_errors


def producer_of(
    client: redis.asyncio.Redis,
    shards: int,
    limits: BacklogLimits,
    replicas: Replicas | None = None,
) -> QueueProducer:
    """Return the producer for this client."""
    kind = ClusterProducer if is_cluster(client) else QueueProducer
    return kind(client, shards, limits, replicas)


class ClusterProducer(QueueProducer):
    """Appends as `QueueProducer` does. Each shard's own server tells the time."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        shards: int,
        limits: BacklogLimits | None = None,
        replicas: Replicas | None = None,
    ) -> None:
        super().__init__(client, shards, limits, replicas)
        if replicas is None:
            self._run = ClusterRunner(client).run

    async def announce(self) -> None:
        """Record the number of shards with each shard that answers.

        This also checks that the queue accepts writes. Raises QueueUnavailable, QueueUnsuitable or
        QueueFull if no shard does.
        """
        tags = self._tags[: self._shards]
        with queue_errors():
            for info in await ask_primaries(self._client, "INFO"):
                if isinstance(info, dict):  # some hosts refuse INFO, and a primary may be away
                    require_fit_queue(info, clustered=True)
            written = await asyncio.gather(
                *(
                    self._client.zadd(keys.shard_count(tag), {"count": self._shards}, gt=True)
                    for tag in tags
                ),
                return_exceptions=True,
            )
            failed = [error for error in written if isinstance(error, BaseException)]
            if len(failed) == len(tags):
                raise failed[0]
        self._announced = True

    async def check(self) -> None:
        """Raise as `announce` does, and NotReplicated if replicas confirm a write to no shard."""
        await self.announce()
        if self._replicas:
            tags = self._tags[: self._shards]
            with queue_errors():
                failed = await shortages(self._client, tags, self._replicas.count)
                if len(failed) == len(tags):
                    raise failed[0]

    async def trimmed(self, shards: Sequence[int]) -> list[int]:
        """Return how many events have left each of these shards, each after its commit."""
        states = [keys.state(self._tags[shard]) for shard in shards]
        with queue_errors():
            found = await asyncio.gather(*(self._client.hget(one, "trimmed") for one in states))
        return [int(count or 0) for count in found]

    async def _ask(
        self, script: str, names: Sequence[Sequence[str]], args: Sequence[Argument]
    ) -> tuple[list[Any], float | None]:
        counts = [keys.shard_count(tag) for tag in self._tags[: len(names)]]
        answers = await asyncio.gather(
            *(run(self._client, script, some, args) for some in names),
            *(self._client.zscore(name, "count") for name in counts),
        )
        announced = max(count or 0 for count in answers[len(names) :])
        return answers[: len(names)], announced
