"""What a cluster did not take may go to another shard; what it may have taken goes nowhere else."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis.exceptions import (
    ClusterError,
    ConnectionError,
    NoScriptError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from storage.errors import NotReplicated, ReplicasBehind, ShardFull, ShardUnusable
from storage.queue import cluster_runner
from storage.queue.cluster_runner import ClusterRunner
from storage.redis.connections import NOTHING_SENT

STREAM, OTHER_STREAM = "events:{0-310}", "events:{1-244}"
TAKEN = [0, 7, 7, 100, 1]
REFUSED = -2
WAITED = [1, [1, 1]]
TOO_FEW = [0, [1, 0]]

LOST = ConnectionError("closed")
LATE = TimeoutError("no answer")
NO_REPLICAS = ResponseError("NOREPLICAS Not enough good replicas to write.")


def unreachable() -> RedisError:
    error = ConnectionError("refused")
    error.add_note(NOTHING_SENT)
    return error


class Cluster:
    """Answers each attempt with the next of its answers, or raises it; `owners` have the slot."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Any) -> None:
        self.answers = list(answers)
        self.owners = ["a"]
        self.asked: list[str] = []
        for name in ("send", "node_of", "learn_slots"):
            monkeypatch.setattr(cluster_runner, name, getattr(self, name))

    async def node_of(self, _: object, key: str) -> Any:
        is_other = key.startswith(OTHER_STREAM)
        return SimpleNamespace(name="other" if is_other else self.owners[0])

    async def learn_slots(self, *_: object) -> None:
        self.owners = self.owners[1:] or self.owners

    async def send(self, _: object, node: Any, key: str, *commands: Sequence[Any]) -> list[Any]:
        self.asked.append(node.name)
        answer = self.answers.pop(0)
        if isinstance(answer, RedisError) and not isinstance(answer, ResponseError | ClusterError):
            raise answer
        return [answer, *self.answers.pop(0)] if len(commands) > 1 else [answer]


def run(runner: ClusterRunner) -> Any:
    return runner.run("queue/append", [STREAM], [])


def appended(replicas: int = 0) -> Any:
    return asyncio.run(run(ClusterRunner(cast(Any, None), replicas)))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (unreachable(), ShardUnusable),
        (NO_REPLICAS, ShardUnusable),
        (ResponseError("CLUSTERDOWN The cluster is down"), ShardUnusable),
        (ClusterError("its keys are in two places"), ShardUnusable),
        (OutOfMemoryError("command not allowed"), ShardFull),
    ],
)
def test_what_was_surely_not_written_is_left_to_another_shard(
    monkeypatch: pytest.MonkeyPatch, error: RedisError, told: type[Exception]
) -> None:
    cluster = Cluster(monkeypatch, error)
    with pytest.raises(told):
        appended()
    assert cluster.asked == ["a"]


@pytest.mark.parametrize("second", [unreachable(), NO_REPLICAS, LOST, OutOfMemoryError("full")])
def test_what_may_be_written_is_not_however_the_second_attempt_fails(
    monkeypatch: pytest.MonkeyPatch, second: RedisError
) -> None:
    cluster = Cluster(monkeypatch, LOST, second)
    with pytest.raises(RedisError):
        appended()
    assert cluster.asked == ["a", "a"]


def test_nor_if_the_second_attempt_is_refused_by_the_script(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Cluster(monkeypatch, LOST, REFUSED)
    with pytest.raises(TimeoutError):
        appended()


@pytest.mark.parametrize("first", [LOST, LATE, unreachable()])
def test_the_server_that_has_the_shard_now_is_tried(
    monkeypatch: pytest.MonkeyPatch, first: RedisError
) -> None:
    cluster = Cluster(monkeypatch, first, TAKEN)
    cluster.owners = ["a", "b"]
    assert appended() == TAKEN
    assert cluster.asked == ["a", "b"]


def test_a_script_that_the_server_does_not_know_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    Cluster(monkeypatch, NoScriptError("NOSCRIPT"), TAKEN)
    assert appended() == TAKEN


def test_a_server_that_has_not_answered_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(monkeypatch, LATE, TAKEN)

    async def scenario() -> None:
        runner = ClusterRunner(cast(Any, None))
        with pytest.raises(TimeoutError):
            await run(runner)
        with pytest.raises(ShardUnusable):
            await run(runner)
        assert cluster.asked == ["a"]
        runner._left_alone["a"] = 0.0  # the time is over
        assert await run(runner) == TAKEN

    asyncio.run(scenario())


def test_while_replicas_are_behind_only_the_shards_of_their_primary_take_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster_runner, "PROBE_SECONDS", None)
    Cluster(monkeypatch, TAKEN, TOO_FEW, 1, TOO_FEW, TAKEN, WAITED, 1, WAITED, TAKEN, WAITED)

    async def scenario() -> None:
        runner = ClusterRunner(cast(Any, None), 1)
        with pytest.raises(NotReplicated, match="0 of 1 replicas"):
            await run(runner)
        with pytest.raises(ReplicasBehind):
            await run(runner)
        assert await runner.run("queue/append", [OTHER_STREAM], []) == TAKEN
        assert await run(runner) == TAKEN

    asyncio.run(scenario())
