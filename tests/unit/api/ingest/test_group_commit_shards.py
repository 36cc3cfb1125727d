"""Which shard the events go to: backlogs, full shards and failed shards."""

import pytest

from api.ingest import group_commit
from storage.errors import QueueUnavailable, ShardFull
from tests.support.event_loop import run, settle
from tests.support.held_appends import Queue, add, one_after_the_other


def test_a_quiet_service_stays_with_one_shard() -> None:
    async def scenario() -> None:
        queue = Queue()
        shards = await one_after_the_other(queue, queue.group(), 6)
        assert len(set(shards)) == 1

    run(scenario)


BACKLOGS = [(group_commit.STAY_EVENTS + 1, 0), (1, group_commit.STAY_BYTES + 1)]


@pytest.mark.parametrize("backlog", BACKLOGS)
@pytest.mark.parametrize("most", ["STAY_EVENTS", "STAY_BYTES"])
def test_shards_with_a_backlog_take_as_much_each_in_turn(
    backlog: tuple[int, int], most: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        queue = Queue()
        queue.backlog = dict.fromkeys(range(3), backlog)
        monkeypatch.setattr(group_commit, most, 1)  # exceeded by the second event of one byte
        shards = await one_after_the_other(queue, queue.group(shards=3), 12)
        first = shards[0]
        assert shards == [(first + call // 2) % 3 for call in range(12)]

    run(scenario)


def test_a_shard_without_a_backlog_is_filled_before_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_commit, "STAY_EVENTS", 0)

    async def scenario() -> None:
        queue = Queue()
        queue.backlog = {0: (9_000, 0), 1: (9_000, 0), 2: (0, 0)}
        shards = await one_after_the_other(queue, queue.group(shards=3), 6)
        assert shards[2:] == [2, 2, 2, 2]

    run(scenario)


def test_a_full_shard_refuses_nothing_while_another_has_room() -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group(shards=3)
        task = add(group, b"x")
        for number in range(2):
            await settle()
            queue.ends[number].set_exception(ShardFull("full"))
        await settle()
        queue.ends[2].set_result(0)
        place = await task
        shards = [shard for shard, _, _ in queue.calls]
        assert sorted(shards) == [0, 1, 2]
        assert place.shard == shards[2]

    run(scenario)


def test_when_every_shard_is_full_each_is_asked_once() -> None:
    async def scenario() -> None:
        queue = Queue()
        task = add(queue.group(shards=3), b"x")
        for number in range(3):
            await settle()
            queue.ends[number].set_exception(ShardFull("full"))
        with pytest.raises(ShardFull):
            await task
        assert sorted(shard for shard, _, _ in queue.calls) == [0, 1, 2]

    run(scenario)


def test_a_shard_that_fails_is_not_tried_again_at_once() -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        task = add(group, b"x")
        await settle()
        queue.ends[0].set_exception(QueueUnavailable("away"))
        with pytest.raises(QueueUnavailable):
            await task
        first, second = await one_after_the_other(queue, group, 1)
        assert first != second

    run(scenario)
