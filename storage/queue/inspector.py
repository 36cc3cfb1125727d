"""The queue as an operator sees it: each shard's figures, and whether its server is set up well."""

from dataclasses import dataclass, field
from typing import Any

import redis.asyncio
from redis.exceptions import ResponseError

from storage.errors import queue_errors
from storage.queue.durability import Durability, durability
from storage.queue.shard_count import shard_count, shard_count_problem
from storage.redis import keys
from storage.redis.script_runner import run
from storage.redis.server_check import RedisServer

LAST_ID = "18446744073709551615-18446744073709551615"  # nothing can be appended behind it


@dataclass(frozen=True, slots=True)
class ShardState:
    """One shard at one instant.

    `backlog`: its entries, `appended`: those of them that were accepted. `foreign`: entries ever
    stored or dead-lettered that were not. `lag_seconds`: since its oldest entry came, 0 for none,
    None where its id does not tell. `state`: idle, queued, draining, or expired (the sweeper acts).
    `last_error`: why the last drain ended early, empty when it did not. `since_ms`: when its first
    event came, ms since the epoch, 0 for never. `id_ahead`: the last id of its stream where that is
    ahead of the clock: somebody else chose it.
    """

    shard: int
    accepted: int
    trimmed: int
    backlog: int
    appended: int
    foreign: int
    bytes: int
    lag_seconds: float | None
    state: str
    last_error: str
    since_ms: int
    id_ahead: str = ""

    @property
    def unaccounted(self) -> int:
        """What was accepted and is neither stored nor queued: 0, or events are lost."""
        return self.accepted - self.trimmed - min(self.appended, self.backlog)

    @property
    def foreign_backlog(self) -> int:
        """Entries that wait and that nobody has accepted."""
        return max(self.backlog - self.appended, 0)


@dataclass(frozen=True, slots=True)
class QueueServer:
    """What keeps acknowledged events.

    `durability`: `checked` and right, `weak`, `unknown` (it does not tell), or `stated` by its
    operator and not checked. `replicas`: None where it does not tell. `problems`: how acknowledged
    events may be lost. `oddities`: what else to look at.
    """

    durability: Durability
    replicas: int | None
    problems: list[str]
    oddities: list[str] = field(default_factory=list)


class Inspector:
    """Reads, and changes nothing but a probe. Safe for many tasks of one event loop."""

    def __init__(self, client: redis.asyncio.Redis, shards: int, trusted: bool = False) -> None:
        """`trusted`: its operator states that the queue keeps what is acknowledged."""
        self._client = client
        self._shards = shards
        self._trusted = trusted

    async def shards(self) -> list[ShardState]:
        """Every shard there ever was. Raises QueueUnavailable."""
        with queue_errors():
            most = await self._client.zscore(keys.SHARD_COUNT, "count")
            async with self._client.pipeline(transaction=False) as pipe:
                for shard in range(shard_count(self._shards, most)):
                    names = [keys.state(shard), keys.stream(shard), keys.ids(shard)]
                    await run(pipe, "queue/inspect", names)
                found = await pipe.execute()
        return [_shard_state(shard, answer) for shard, answer in enumerate(found)]

    async def server(self) -> QueueServer:
        """Whether the queue keeps what is acknowledged. Raises QueueUnavailable."""
        with queue_errors():
            try:
                replicas = RedisServer.of(await self._client.info()).replicas
            except ResponseError:  # some hosts refuse INFO
                replicas = None
            problem = shard_count_problem(await self._client.zscore(keys.SHARD_COUNT, "count"))
            oddities = [problem] if problem else []
            if self._trusted:
                return QueueServer("stated", replicas, [], oddities)
            known, problems = await durability(self._client)
        if replicas:
            problems.append(
                f"the queue has {replicas} replicas: a failover loses acknowledged events that "
                "they have not received yet"
            )
        return QueueServer(known, replicas, problems, oddities)


def _shard_state(shard: int, answer: list[Any]) -> ShardState:
    accepted, trimmed, entries, appended, foreign, size, waited_ms, *rest = answer
    state, last_error, since_ms, id_ahead = rest
    return ShardState(
        shard,
        accepted,
        trimmed,
        entries,
        appended,
        foreign,
        size,
        None if waited_ms < 0 else waited_ms / 1000,
        state.decode(),
        last_error.decode(errors="replace"),
        since_ms,
        id_ahead.decode(),
    )
