"""While much waits, two calls are under way, and each ends for itself."""

import asyncio
import math

import pytest

from api.ingest import group_commit
from storage.errors import QueueFull, QueueUnavailable, ShardFull
from tests.support.event_loop import run, settle
from tests.support.held_appends import Queue, add, one_after_the_other


@pytest.fixture
def two_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin the second call while three events wait."""
    monkeypatch.setattr(group_commit, "THRESHOLDS", (1, 3, math.inf))
    monkeypatch.setattr(group_commit, "GROUP_EVENTS", 3)
    monkeypatch.setattr(group_commit, "STAY_EVENTS", 2)


@pytest.mark.usefixtures("two_calls")
def test_while_much_waits_two_calls_are_under_way_and_no_more() -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        tasks = [add(group, b"1")]
        await settle()
        tasks += [add(group, b"2"), add(group, b"3")]
        await settle()
        assert queue.bodies == [[b"1"]]
        tasks += [add(group, b"4"), add(group, b"5", b"6", b"7"), add(group, b"8")]
        await settle()
        assert queue.bodies == [[b"1"], [b"2", b"3", b"4"]]
        queue.ends[1].set_result(0)  # the later one may be the first to end
        await settle()
        assert queue.bodies[2:] == [[b"5", b"6", b"7"]]
        queue.ends[2].set_result(0)
        await settle()
        assert len(queue.calls) == 3, "one event is no reason for a second call"
        queue.ends[0].set_result(0)
        await settle()
        assert queue.bodies[3:] == [[b"8"]]
        queue.ends[3].set_result(0)
        await asyncio.gather(*tasks)
        assert len(queue.calls) == 4

    run(scenario)


@pytest.mark.usefixtures("two_calls")
@pytest.mark.parametrize("failing", [0, 1])
def test_a_failure_of_one_of_two_calls_leaves_the_other_alone(failing: int) -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group(max_pending=7)
        tasks = [add(group, b"1", b"2", b"3"), add(group, b"4", b"5", b"6")]
        tasks.append(add(group, b"7"))
        await settle()
        with pytest.raises(QueueFull):
            await add(group, b"8")
        queue.ends[failing].set_exception(QueueUnavailable("away"))
        with pytest.raises(QueueUnavailable):
            await tasks[failing]
        assert not tasks[1 - failing].done()
        queue.ends[1 - failing].set_result(0)
        await tasks[1 - failing]
        await settle()
        queue.ends[2].set_result(0)
        await tasks[2]
        assert queue.bodies == [[b"1", b"2", b"3"], [b"4", b"5", b"6"], [b"7"]]

    run(scenario)


@pytest.mark.usefixtures("two_calls")
@pytest.mark.parametrize("outcome", [(9_000, 0), QueueUnavailable("away"), ShardFull("full")])
def test_two_calls_leave_a_shard_once(outcome: tuple[int, int] | Exception) -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        tasks = [add(group, b"1", b"2", b"3"), add(group, b"4", b"5", b"6")]
        await settle()
        (first, _, _), (again, _, _) = queue.calls
        assert again == first, "it had no backlog yet"
        for end in list(queue.ends):
            if isinstance(outcome, Exception):
                end.set_exception(outcome)
            else:
                queue.backlog[first] = outcome
                end.set_result(0)
        await settle()
        for end in queue.ends[2:]:  # where the shard was full: to the next one
            end.set_result(0)
        await asyncio.wait(tasks)
        [*_, shard] = await one_after_the_other(queue, group, 1)
        assert shard == (first + 1) % 4
        assert all(task.exception() in (None, outcome) for task in tasks)

    run(scenario)


@pytest.mark.usefixtures("two_calls")
def test_a_call_that_ends_late_does_not_give_the_turn_back() -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        tasks = [add(group, *[b"x"] * 3) for _ in range(3)]
        await settle()
        first = queue.calls[0][0]
        for number in (1, 2, 0):
            queue.ends[number].set_exception(QueueUnavailable("away"))
            await settle()
        await asyncio.wait(tasks)
        assert all(task.exception() for task in tasks)
        shards = await one_after_the_other(queue, group, 1)
        assert shards == [first, first, (first + 1) % 4, (first + 2) % 4]

    run(scenario)


@pytest.mark.usefixtures("two_calls")
def test_closing_waits_for_both_calls_and_what_is_behind_them() -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        tasks = [add(group, *[b"x"] * 3) for _ in range(3)]
        await settle()
        closing = asyncio.create_task(group.close())
        for number in (1, 2, 0):
            assert not closing.done()
            queue.ends[number].set_result(0)
            await settle()
        await closing
        await asyncio.gather(*tasks)

    run(scenario)


@pytest.mark.usefixtures("two_calls")
def test_when_one_of_two_calls_is_cancelled_the_other_goes_on() -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        tasks = [add(group, *[b"x"] * 3) for _ in range(3)]
        await settle()
        queue.ends[0].cancel()
        await settle()
        assert [task.cancelled() for task in tasks] == [True, False, False]
        queue.ends[1].set_result(0)
        await settle()
        queue.ends[2].set_result(0)
        await asyncio.gather(*tasks[1:])

    run(scenario)
