"""The queue as an operator sees it: the figures of each shard, and the server's durability."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import redis.asyncio
from redis.exceptions import ResponseError

from storage.errors import NotReplicated
from storage.queue.durability import Durability, durability
from storage.queue.pace import RecordedPace
from storage.queue.replicas import CHECK_MS, confirm
from storage.queue.shard_count import shard_count, shard_count_problem
from storage.redis import keys
from storage.redis.script_runner import run
from storage.redis.server_check import RedisServer
from storage.server_errors import queue_errors

LAST_ID = "18446744073709551615-18446744073709551615"  # nothing can be appended after it
_follower = re.compile("slave[0-9]+").fullmatch  # the name of a replica's line in INFO


@dataclass(frozen=True, slots=True)
class ShardState:
    """One shard at one instant.

    `backlog`: its entries; `appended`: how many of them the service has accepted. `foreign`: how
    many entries that it has not accepted were ever removed. `lag_seconds`: age of the oldest
    entry, 0 without entries, None if its id is ahead of the clock. `state`: idle, queued, draining,
    or expired (the sweeper acts). `last_error`: why the last drain ended early, empty if it did
    not. `since_ms`: when the first event was accepted, ms since the epoch, 0 for never. `id_ahead`:
    the last id of the stream if it is ahead of the clock (somebody else chose it), else empty.
    `pace`: how fast the worker that drained it last stores while it is busy; None if unknown.
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
    pace: RecordedPace | None = None

    @property
    def unaccounted(self) -> int:
        """Events accepted and neither stored nor queued: if not 0, events are lost."""
        return self.accepted - self.trimmed - min(self.appended, self.backlog)

    @property
    def foreign_backlog(self) -> int:
        """Entries in the backlog that the service has not accepted."""
        return max(self.backlog - self.appended, 0)


@dataclass(frozen=True, slots=True)
class QueueServer:
    """The server that keeps acknowledged events.

    `durability`: `checked` and right, `weak`, `unknown` (can't be checked), or `stated` by its
    operator and not checked. `replicas`: None if unknown. `problems`: how acknowledged events may
    be lost. `oddities`: other things that an operator should look at. `aof_ok`: whether what it
    acknowledges is fsynced and its last write to the AOF succeeded, None if unknown.
    `memory_ratio`: the share of its memory limit in use, None without a limit or if unknown.
    `replicas_awaited`: how many must have events before these are acknowledged; `shortage`: why
    none is acknowledged, because too few confirm; empty if enough do.
    """

    durability: Durability
    replicas: int | None
    problems: list[str]
    oddities: list[str] = field(default_factory=list)
    aof_ok: bool | None = None
    memory_ratio: float | None = None
    replicas_awaited: int = 0
    shortage: str = ""


def greatest_lag(shards: Sequence[ShardState]) -> float | None:
    """Return the greatest lag in seconds; None without shards, or if that of one is unknown."""
    found = [shard.lag_seconds for shard in shards if shard.lag_seconds is not None]
    return max(found) if found and len(found) == len(shards) else None


class Inspector:
    """Reads the queue; writes only the probe key. Safe for many tasks of one event loop."""

    def __init__(
        self, client: redis.asyncio.Redis, shards: int, trusted: bool = False, awaited: int = 0
    ) -> None:
        """Inspect the server of `client`; `trusted`: its operator states that it is durable.

        `awaited`: how many replicas must have what is acknowledged.
        """
        self._client = client
        self._shards = shards
        self._trusted = trusted
        self._awaited = awaited

    @property
    def configured_shards(self) -> int:
        """Return the number of shards in the settings of this process."""
        return self._shards

    async def shards(self) -> list[ShardState]:
        """Return the state of every shard there ever was. Raises QueueUnavailable.

        A former primary tells what was: one that was paused or cut off goes on to answer reads.
        """
        with queue_errors():
            async with self._client.pipeline(transaction=False) as pipe:
                await self._ask_for_shards(pipe)
                found = await pipe.execute()
        return [shard_state(shard, answer) for shard, answer in enumerate(found)]

    async def proven_shards(self) -> list[ShardState]:
        """Return the same from a server that takes writes, and has the replicas that are awaited.

        Raises QueueUnavailable, NotReplicated.
        """
        with queue_errors():
            async with self._client.pipeline(transaction=False) as pipe:
                await run(pipe, "queue/probe", [keys.PROBE])
                pipe.wait(self._awaited, CHECK_MS)
                await self._ask_for_shards(pipe)
                _, confirmed, *found = await pipe.execute()
        require_confirmed(confirmed, self._awaited)
        return [shard_state(shard, answer) for shard, answer in enumerate(found)]

    async def _ask_for_shards(self, pipe: Any) -> None:
        announced = await self._client.zscore(keys.SHARD_COUNT, "count")
        for shard in range(shard_count(self._shards, announced)):
            await run(pipe, "queue/inspect", shard_names(shard))

    async def server(self) -> QueueServer:
        """Check whether the queue keeps what it acknowledges. Raises QueueUnavailable."""
        with queue_errors():
            try:
                info = await self._client.info()
            except ResponseError:  # some hosts refuse INFO
                info = {}
            problem = shard_count_problem(await self._client.zscore(keys.SHARD_COUNT, "count"))
            level, problems = await self._durability()
            shortage = await self._shortage()
        replicas = RedisServer.of(info).replicas if info else None
        if replicas and not self._awaited and not self._trusted:
            problems.append(failover_loss(of_replicas(replicas), info))
        oddities = [text for text in (problem, shortage) if text]
        judged = level, replicas, problems, oddities, aof_ok(level, info), memory_ratio(info)
        return QueueServer(*judged, self._awaited, shortage)

    async def _shortage(self) -> str:
        """Return why no event is acknowledged: too few replicas confirm; empty if enough do."""
        if not self._awaited:
            return ""
        try:
            await confirm(self._client, self._awaited)
        except (NotReplicated, ResponseError) as error:  # or WAIT or WAITAOF is refused
            return f"no event is acknowledged: {error}"
        return ""

    async def _durability(self) -> tuple[Durability, list[str]]:
        return ("stated", []) if self._trusted else await durability(self._client)


def shard_names(tag: keys.Tag) -> list[str]:
    """Return the keys of a shard that `inspect.lua` reads."""
    return [keys.state(tag), keys.stream(tag), keys.ids(tag)]


def require_confirmed(confirmed: int, awaited: int) -> None:
    """Raise NotReplicated if WAIT tells of fewer replicas than are awaited."""
    if confirmed < awaited:
        raise NotReplicated(f"{confirmed} of {awaited} replicas have confirmed a write")


def failover_loss(replicas: str, info: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Return what a failover loses while nobody waits for replicas. `info`: what INFO tells."""
    written = info.get("master_repl_offset", 0)
    followers = [each for name, each in info.items() if _follower(name) and "offset" in each]
    behind = max((written - each["offset"] for each in followers), default=None)
    now = "" if behind is None else f" (now up to {behind} bytes)"
    return (
        f"the queue has {replicas}, and ACTIVITY_QUEUE_REPLICAS is 0: a failover loses the "
        f"acknowledged events that the new primary has not received{now}"
    )


def of_replicas(count: int) -> str:
    """Return the number with its noun."""
    return f"{count} {'replica' if count == 1 else 'replicas'}"


def aof_ok(level: Durability, info: Mapping[str, Any]) -> bool | None:
    """Return whether the AOF is safe by the check of the settings and by INFO, None if unknown."""
    if level == "weak" or info.get("aof_last_write_status", "ok") != "ok":
        return False
    return True if level == "checked" else None


def memory_ratio(info: Mapping[str, Any]) -> float | None:
    """Return the share of its memory limit that a server uses; None without a limit."""
    used, limit = info.get("used_memory"), info.get("maxmemory")
    return used / limit if used and limit else None


def shard_state(shard: int, answer: list[Any]) -> ShardState:
    """Return what `inspect.lua` tells of a shard."""
    accepted, trimmed, entries, appended, foreign, size, waited_ms, *rest = answer
    state, last_error, since_ms, id_ahead, pace, pace_at_ms = rest
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
        RecordedPace(float(pace), pace_at_ms) if pace else None,
    )
