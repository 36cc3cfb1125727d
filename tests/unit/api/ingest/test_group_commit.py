"""What arrives during a call goes to the queue in the next, all at once, within bounds."""

import asyncio

import pytest

from api.ingest import group_commit
from storage.errors import QueueFull
from tests.support.event_loop import run, settle
from tests.support.held_appends import Queue, add


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
