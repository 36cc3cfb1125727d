"""Failed, cancelled and closing calls: each submission hears of its own end."""

import asyncio

import pytest

from api.ingest.group_commit import GroupCommit
from storage.errors import QueueUnavailable
from storage.queue.producer import QueuePosition
from tests.support.event_loop import run, settle
from tests.support.held_appends import Queue, add


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
