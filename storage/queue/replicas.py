"""Replicas of the queue: an append counts once they have it on their disk too.

WAIT and WAITAOF wait for the writes of their own connection. WAITAOF alone would ask a replica
before it has fsynced the write, and hear of the fsync with its next report, a second later.
Sentinels must be sure before and after that no failover has begun: a replica that has not been told
of one confirms what the former primary writes.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import redis.asyncio
from redis.exceptions import NoScriptError

from storage.errors import NotReplicated
from storage.redis import keys
from storage.redis.primary_lease import Term
from storage.redis.script_runner import Argument, digest, source
from storage.redis.sentinel import primary_term

WAIT_MS = 1_000  # for the memory of replicas, and then for their disk; redis-py waits for 5 s
CHECK_MS = 300  # the same for probes, which are asked for an answer within a second


class Replicas(Protocol):
    """What runs appending scripts, and waits for the queue's replicas."""

    @property
    def count(self) -> int:
        """Return how many replicas must have what was written."""

    async def run(self, script: str, names: Sequence[str], args: Iterable[Argument]) -> Any:
        """Run a script; return its answer once the replicas have confirmed it."""

    async def close(self) -> None:
        """Close the connections."""


class _Run(NamedTuple):
    """The answers to a script, to WAIT and to WAITAOF; each may be an error.

    `connection`: over which they came. `term`: of its primary before, None without Sentinels.
    """

    answers: Sequence[Any]
    connection: Any
    term: Term | None


class ReplicatedRunner:
    """Runs appending scripts. What they return counts once replicas have the writes on disk.

    After an append that too few replicas have confirmed, nothing is appended until they confirm
    again: producers repeat what was refused, and the queue would fill with the repetitions.
    """

    def __init__(self, client: redis.asyncio.Redis, count: int) -> None:
        """Lend the client to nobody else: its connections wait for `count` replicas."""
        self._client = client
        self.count = count
        self._are_behind = False

    async def run(self, script: str, names: Sequence[str], args: Iterable[Argument]) -> Any:
        """Run a script as `script_runner.run` does. Raises NotReplicated, and redis-py's errors.

        The events may be queued all the same; not if replicas were behind before.
        """
        if self._are_behind:
            await self._judge(await _probe(self._client, self.count, WAIT_MS))
        run = await _run_and_wait(self._client, script, names, args, self.count, WAIT_MS)
        answer = run.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, int):  # an int is a refusal: nothing was written
            await self._judge(run)
        return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _judge(self, run: _Run) -> None:
        self._are_behind = True
        await _require_kept(self._client, run, self.count, WAIT_MS)
        self._are_behind = False


async def confirm(client: redis.asyncio.Redis, replicas: int) -> None:
    """Return once so many replicas have all that was written before; each wait is CHECK_MS.

    Raises NotReplicated, and redis-py's errors.
    """
    await _require_kept(client, await _probe(client, replicas, CHECK_MS), replicas, CHECK_MS)


async def _probe(client: redis.asyncio.Redis, replicas: int, wait_ms: int) -> _Run:
    return await _run_and_wait(client, "queue/probe", [keys.PROBE], [], replicas, wait_ms)


async def _require_kept(
    client: redis.asyncio.Redis, run: _Run, replicas: int, wait_ms: int
) -> None:
    """Raise the first error among the answers, or NotReplicated if a failover may lose the run."""
    require(run.answers, replicas)
    if run.term != await primary_term(client, run.connection, wait_ms / 1000):
        raise NotReplicated("a failover has replaced the primary meanwhile")


async def _run_and_wait(
    client: redis.asyncio.Redis,
    script: str,
    names: Sequence[str],
    args: Iterable[Argument],
    replicas: int,
    wait_ms: int,
) -> _Run:
    for is_last in (False, True):
        async with client.pipeline(transaction=False) as pipe:
            pool: Any = client.connection_pool
            connection = pipe.connection = await pool.get_connection()
            term = await primary_term(client, connection, wait_ms / 1000)
            pipe.evalsha(digest(script), len(names), *names, *args)
            for command in waits(replicas, wait_ms):
                pipe.execute_command(*command)
            answers: list[Any] = await pipe.execute(raise_on_error=False)
        if not isinstance(answers[0], NoScriptError) or is_last:
            break
        await client.script_load(source(script))
    return _Run(answers, connection, term)


def waits(replicas: int, wait_ms: int) -> Sequence[Sequence[Any]]:
    """Return the commands that wait for replicas, each for at most `wait_ms`."""
    return ("WAIT", replicas, wait_ms), ("WAITAOF", 1, replicas, wait_ms)


def require(answers: Sequence[Any], replicas: int) -> None:
    """Raise the first error among the answers, or NotReplicated by that to WAITAOF, the last."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    on_disk = answers[-1][1]
    if on_disk < replicas:
        raise NotReplicated(
            f"{on_disk} of {replicas} replicas (ACTIVITY_QUEUE_REPLICAS) have the writes on disk"
        )
