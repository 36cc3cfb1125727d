"""What arrives during a call goes to the queue in the next, all at once; failures stay separate."""

import asyncio
import gc
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from api.ingest import group_commit
from api.ingest.group_commit import GroupCommit
from storage.errors import QueueFull, QueueUnavailable, ShardFull
from storage.queue.producer import Appended, QueuePosition


class Queue:
    """An append that ends when told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int, list[bytes]]] = []
        self.ends: list[asyncio.Future[int]] = []
        self.woken: list[tuple[int, int]] = []
        self.backlog: dict[int, tuple[int, int]] = {}  # of a shard, after an append

    async def append(
        self, shard: int, oldest_ms: int, items: list[bytes], even_paused: bool = False
    ) -> Appended:
        self.calls.append((shard, oldest_ms, items))
        self.ends.append(asyncio.get_running_loop().create_future())
        generation = await self.ends[-1]
        backlog = self.backlog.get(shard, (0, 0))
        return Appended(generation, QueuePosition(shard, len(self.calls)), *backlog)

    def wake(self, shard: int, generation: int) -> None:
        self.woken.append((shard, generation))

    def group(self, max_pending: int = 100, shards: int = 4) -> GroupCommit:
        return GroupCommit(self.append, shards, max_pending, self.wake)

    @property
    def bodies(self) -> list[list[bytes]]:
        """The events of each call."""
        return [items[1::2] for _, _, items in self.calls]


async def settle() -> None:
    """Until every task has gone as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def add(group: GroupCommit, *bodies: bytes, ms: int = 1) -> asyncio.Task[QueuePosition]:
    items = [part for body in bodies for part in (b"id of " + body, body)]

    async def appended() -> QueuePosition:
        return await group.submit(items, ms)

    return asyncio.create_task(appended())


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it; nothing may be left that the loop would complain of."""
    complaints: list[dict[str, Any]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        await scenario()
        await settle()
        gc.collect()

    asyncio.run(watched())
    gc.collect()
    assert complaints == []


def test_what_arrives_during_a_call_goes_in_the_next_one_all_at_once() -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        tasks = [add(group, b"1", ms=7)]
        await settle()
        tasks += [add(group, b"2", ms=9), add(group, b"3", ms=8)]
        await settle()
        assert queue.bodies == [[b"1"]]
        queue.ends[0].set_result(0)
        await settle()
        assert queue.bodies == [[b"1"], [b"2", b"3"]]
        assert [task.done() for task in tasks] == [True, False, False]
        queue.ends[1].set_result(5)
        await asyncio.gather(*tasks)
        assert queue.calls[1][1:] == (8, [b"id of 2", b"2", b"id of 3", b"3"])
        assert queue.woken == [(queue.calls[1][0], 5)]

    run(scenario)


async def one_after_the_other(queue: Queue, group: GroupCommit, count: int) -> list[int]:
    """Return the shards that so many events go to, each in a call of its own."""
    for _ in range(count):
        task = add(group, b"x")
        await settle()
        queue.ends[-1].set_result(0)
        await task
    return [shard for shard, _, _ in queue.calls]


def test_a_quiet_service_stays_with_one_shard() -> None:
    async def scenario() -> None:
        queue = Queue()
        shards = await one_after_the_other(queue, queue.group(), 6)
        assert len(set(shards)) == 1

    run(scenario)


@pytest.mark.parametrize(
    "backlog", [(group_commit.STAY_EVENTS + 1, 0), (1, group_commit.STAY_BYTES + 1)]
)
def test_shards_take_turns_while_they_have_a_backlog(backlog: tuple[int, int]) -> None:
    async def scenario() -> None:
        queue = Queue()
        queue.backlog = dict.fromkeys(range(3), backlog)
        shards = await one_after_the_other(queue, queue.group(shards=3), 6)
        assert sorted(shards[:3]) == [0, 1, 2]
        assert shards[3:] == shards[:3]

    run(scenario)


def test_a_shard_without_a_backlog_is_filled_before_the_next() -> None:
    async def scenario() -> None:
        queue = Queue()
        queue.backlog = {0: (9_000, 0), 1: (9_000, 0), 2: (group_commit.STAY_EVENTS, 0)}
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


def test_a_group_is_bounded_in_events_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "GROUP_EVENTS", 3)
    monkeypatch.setattr(group_commit, "GROUP_BYTES", 10)

    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        sizes = [1, 1, 1, 1, 4, 5, 6, 40, 2]
        tasks = [add(group, b"x" * size) for size in sizes]
        for number in range(5):
            await settle()
            queue.ends[number].set_result(0)
        await asyncio.gather(*tasks)
        lengths = [[len(body) for body in bodies] for bodies in queue.bodies]
        assert lengths == [[1, 1, 1], [1, 4, 5], [6], [40], [2]]

    run(scenario)


def test_the_events_of_one_request_are_never_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "GROUP_EVENTS", 3)

    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        many = (b"1", b"2", b"3", b"4", b"5")
        tasks = [add(group, b"0"), add(group, *many), add(group, b"6"), add(group, b"7", b"8")]
        for number in range(3):
            await settle()
            queue.ends[number].set_result(0)
        places = await asyncio.gather(*tasks)
        assert queue.bodies == [[b"0"], [*many], [b"6", b"7", b"8"]]
        assert [place.end for place in places] == [1, 2, 3, 3]

    run(scenario)


def test_a_request_larger_than_what_may_wait_is_taken_when_there_is_any_room() -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group(max_pending=2)
        held = add(group, b"1", b"2", b"3")
        await settle()
        with pytest.raises(QueueFull):
            await add(group, b"4")
        queue.ends[0].set_result(0)
        await held

    run(scenario)


@pytest.fixture
def two_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin the second call while three events wait."""
    monkeypatch.setattr(group_commit, "THRESHOLDS", (1, 3, math.inf))
    monkeypatch.setattr(group_commit, "GROUP_EVENTS", 3)


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


@pytest.mark.parametrize("error", [QueueUnavailable("away"), TypeError("a bug of ours")])
def test_a_failure_fails_exactly_its_group(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        first = [add(group, b"1"), add(group, b"2")]
        await settle()
        second = add(group, b"3")
        await settle()
        queue.ends[0].set_exception(error)
        await settle()
        for task in first:
            with pytest.raises(type(error)):
                await task
        assert queue.bodies == [[b"1", b"2"], [b"3"]]
        queue.ends[1].set_result(0)
        await second
        await group.close()

    run(scenario)
    logged = "GroupCommit: a call for 2 submissions failed" in caplog.text
    assert logged == isinstance(error, TypeError)


def test_a_wake_up_that_fails_fails_no_event(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        queue = Queue()

        def broken(shard: int, generation: int) -> None:
            raise RuntimeError("no thread to do it")

        group = GroupCommit(queue.append, 1, 10, broken)
        first = add(group, b"1")
        await settle()
        second = add(group, b"2")
        queue.ends[0].set_result(1)
        await settle()
        queue.ends[1].set_result(0)
        await asyncio.gather(first, second)

    run(scenario)
    assert "no thread to do it" in caplog.text


def test_a_producer_that_goes_away_takes_nobody_with_it() -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        gone_in_call, stays = add(group, b"1"), add(group, b"2")
        await settle()
        gone_waiting, also_stays = add(group, b"3"), add(group, b"4")
        await settle()
        gone_in_call.cancel()
        gone_waiting.cancel()
        await settle()
        queue.ends[0].set_result(0)
        await settle()
        queue.ends[1].set_exception(QueueUnavailable("away"))
        await stays
        with pytest.raises(QueueUnavailable):
            await also_stays
        assert gone_in_call.cancelled()
        assert gone_waiting.cancelled()

    run(scenario)


def test_no_more_events_are_held_than_allowed_those_in_the_call_included() -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group(max_pending=3)
        held = [add(group, b"1")]
        await settle()
        held += [add(group, b"2"), add(group, b"3")]
        await settle()
        with pytest.raises(QueueFull):
            await add(group, b"4")
        queue.ends[0].set_result(0)
        await settle()
        held.append(add(group, b"5"))
        await settle()
        queue.ends[1].set_result(0)
        await settle()
        queue.ends[2].set_result(0)
        await asyncio.gather(*held)
        assert queue.bodies == [[b"1"], [b"2", b"3"], [b"5"]]

    run(scenario)


def test_closing_waits_for_what_is_under_way_and_raises_nothing() -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        await group.close()
        first = add(group, b"1")
        await settle()
        second = add(group, b"2")
        closing = asyncio.create_task(group.close())
        await settle()
        queue.ends[0].set_exception(TypeError("a bug of ours"))
        await settle()
        assert not closing.done()
        queue.ends[1].set_result(0)
        await closing
        await second
        with pytest.raises(TypeError):
            await first

    run(scenario)


def test_closing_that_is_given_up_breaks_off_no_call() -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        task = add(group, b"1")
        await settle()
        closing = asyncio.create_task(group.close())
        await settle()
        closing.cancel()
        await settle()
        queue.ends[0].set_result(0)
        await task

    run(scenario)


def test_a_loop_that_shuts_down_leaves_no_producer_waiting() -> None:
    tasks: list[asyncio.Task[QueuePosition]] = []

    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        tasks.append(add(group, b"1"))
        await settle()
        tasks.append(add(group, b"2"))
        await settle()

    run(scenario)
    assert all(task.cancelled() for task in tasks)


def test_when_only_the_call_is_cancelled_its_producers_and_those_behind_it_hear_of_it() -> None:
    async def scenario() -> None:
        queue = Queue()
        group = queue.group()
        tasks = [add(group, b"1")]
        await settle()
        tasks.append(add(group, b"2"))
        await settle()
        queue.ends[0].cancel()
        await settle()
        assert all(task.cancelled() for task in tasks)
        again = add(group, b"3")
        await settle()
        queue.ends[1].set_result(0)
        await again

    run(scenario)
