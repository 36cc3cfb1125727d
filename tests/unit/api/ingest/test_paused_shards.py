"""New events leave a shard whose drain failed, for as long as another one takes them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from api.ingest import group_commit
from api.ingest.group_commit import GroupCommit
from storage.errors import (
    NotReplicated,
    ReplicasBehind,
    ShardFull,
    ShardPaused,
    ShardUnusable,
)
from storage.queue.producer import Appended, QueuePosition

SHARDS = 4


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each call end the turn of a shard that has a backlog."""
    monkeypatch.setattr(group_commit, "STAY_EVENTS", 0)


class Queue:
    """Some of its shards are paused, some are full; a busy one has a backlog after each append."""

    def __init__(self) -> None:
        self.paused: set[int] = set()
        self.full: set[int] = set()
        self.unusable: set[int] = set()
        self.behind: set[int] = set()
        self.unsure: set[int] = set()
        self.asked: list[int] = []
        self.taken: list[int] = []
        self.backlog = 0

    async def append(
        self, shard: int, oldest_ms: int, items: list[bytes], even_paused: bool = False
    ) -> Appended:
        self.asked.append(shard)
        await asyncio.sleep(0)
        if shard in self.paused and not even_paused:
            raise ShardPaused("injected")
        if shard in self.unusable:
            raise ShardUnusable("injected")
        if shard in self.behind:
            raise ReplicasBehind("injected")
        if shard in self.unsure:
            raise NotReplicated("injected")
        if shard in self.full:
            raise ShardFull("injected")
        self.taken.append(shard)
        return Appended(0, QueuePosition(shard, 1), self.backlog, 0)


def with_group(scenario: Callable[[Queue, GroupCommit], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        queue = Queue()
        await scenario(queue, GroupCommit(queue.append, SHARDS, 100, lambda *drain: None))

    asyncio.run(run())


async def post(group: GroupCommit, count: int) -> None:
    for _ in range(count):
        await group.submit([b"id", b"event"], 1)


def test_no_event_goes_to_a_paused_shard_while_another_takes_them() -> None:
    async def scenario(queue: Queue, group: GroupCommit) -> None:
        queue.paused, queue.backlog = {0, 2}, 1
        await post(group, 40)
        assert set(queue.taken) == {1, 3}

    with_group(scenario)


def test_a_paused_shard_is_not_asked_for_each_event() -> None:
    async def scenario(queue: Queue, group: GroupCommit) -> None:
        queue.paused, queue.backlog = {0, 1, 2}, 1
        await post(group, 40)
        assert len(queue.asked) <= 40 + 3

    with_group(scenario)


def test_when_every_shard_is_paused_events_are_accepted_all_the_same() -> None:
    async def scenario(queue: Queue, group: GroupCommit) -> None:
        queue.paused, queue.backlog = set(range(SHARDS)), 1
        await post(group, 40)
        assert set(queue.taken) == set(range(SHARDS))

    with_group(scenario)


def test_when_those_that_are_not_paused_are_full_the_paused_ones_take_events() -> None:
    async def scenario(queue: Queue, group: GroupCommit) -> None:
        queue.paused, queue.full = {1}, {0, 2, 3}
        await post(group, 5)
        assert queue.taken == [1] * 5

    with_group(scenario)


def test_the_backlogs_limit_holds_for_paused_shards_too() -> None:
    async def scenario(queue: Queue, group: GroupCommit) -> None:
        queue.paused, queue.full = {1, 2}, set(range(SHARDS))
        with pytest.raises(ShardFull):
            await post(group, 1)

    with_group(scenario)


def test_a_shard_that_recovers_gets_its_turn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "AVOID_SECONDS", 0.0)

    async def scenario(queue: Queue, group: GroupCommit) -> None:
        queue.paused, queue.backlog = {0}, 1
        await post(group, 8)
        queue.paused = set()
        await post(group, 8)
        assert 0 in queue.taken

    with_group(scenario)


@pytest.mark.parametrize("kind", ["unusable", "behind"])
def test_a_shard_that_cannot_be_written_is_left_for_the_others(kind: str) -> None:
    async def scenario(queue: Queue, group: GroupCommit) -> None:
        setattr(queue, kind, {0, 2})
        queue.backlog = 1
        await post(group, 40)
        assert set(queue.taken) == {1, 3}
        assert len(queue.asked) <= 40 + 2

    with_group(scenario)


def test_what_one_shard_may_have_taken_is_offered_to_no_other() -> None:
    async def scenario(queue: Queue, group: GroupCommit) -> None:
        queue.unsure = set(range(SHARDS))
        with pytest.raises(NotReplicated):
            await post(group, 1)
        assert len(queue.asked) == 1
        queue.unsure = {queue.asked[0]}
        await post(group, 1)

    with_group(scenario)


def test_a_producer_is_told_why_when_no_shard_can_be_written() -> None:
    async def scenario(queue: Queue, group: GroupCommit) -> None:
        queue.unusable = set(range(SHARDS))
        with pytest.raises(ShardUnusable):
            await post(group, 1)
        queue.unusable, queue.full = {0, 1}, {2, 3}
        with pytest.raises(ShardFull):
            await post(group, 1)

    with_group(scenario)
