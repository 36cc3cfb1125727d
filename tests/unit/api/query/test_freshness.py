"""Requests that must be fresh share their readings of the queue, and none waits without bound."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import ClientDisconnect

from api.http.problems import Problem
from api.query.freshness import POLL_SECONDS, WAIT_SECONDS, Freshness
from api.query.lag import Lag
from api.routes.fresh_read import wait_until_fresh
from storage.errors import QueueUnavailable
from storage.queue.inspector import ShardState
from tests.support.virtual_time import run_at_once


def shard(number: int, accepted: int, trimmed: int) -> ShardState:
    backlog = accepted - trimmed
    return ShardState(number, accepted, trimmed, backlog, backlog, 0, 0, 1.5, "idle", "", 0)


class Queue:
    """Two shards; `readings` counts how often they were read."""

    def __init__(self) -> None:
        self.accepted, self.trimmed = [3, 0], [3, 0]
        self.readings = 0
        self.error: Exception | None = None
        self.freshness = Freshness(self.read, Lag())

    async def read(self) -> Sequence[ShardState]:
        self.readings += 1
        accepted = list(self.accepted)
        await asyncio.sleep(0.001)
        if self.error:
            raise self.error
        counters = zip(accepted, self.trimmed, strict=True)
        return [shard(number, *each) for number, each in enumerate(counters)]

    def waits(self, count: int = 1) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.freshness.wait()) for _ in range(count)]


async def outcomes(tasks: list[asyncio.Task[None]]) -> list[int]:
    """Return the status that each request gets."""
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(one is None or isinstance(one, Problem) for one in found), found
    return [one.status if isinstance(one, Problem) else 200 for one in found]


def test_nobody_waits_while_everything_is_stored() -> None:
    async def scenario() -> None:
        queue = Queue()
        assert await outcomes(queue.waits(100)) == [200] * 100
        assert queue.readings == 1
        assert await outcomes(queue.waits()) == [200]
        assert queue.readings == 2  # a reading from before the request would not do

    run_at_once(scenario)


def test_a_request_waits_for_what_was_accepted_before_it_and_for_nothing_later() -> None:
    async def scenario() -> None:
        queue = Queue()
        queue.accepted = [5, 1]
        first = queue.waits()
        await asyncio.sleep(POLL_SECONDS)
        queue.accepted = [9, 9]
        second = queue.waits()
        queue.trimmed = [5, 0]
        await asyncio.sleep(POLL_SECONDS * 3)
        assert not first[0].done()  # the other shard still has one
        queue.trimmed = [5, 1]
        assert await outcomes(first) == [200]
        assert not second[0].done()
        queue.trimmed = [9, 9]
        assert await outcomes(second) == [200]

    run_at_once(scenario)


def test_a_request_that_comes_during_a_reading_waits_for_the_next() -> None:
    async def scenario() -> None:
        queue = Queue()
        first = queue.waits()
        await asyncio.sleep(0.0005)  # the reading is under way, and shows 3 as accepted
        queue.accepted = [4, 0]
        second = queue.waits()
        assert await outcomes(first) == [200]
        assert await outcomes(second) == [503]

    run_at_once(scenario)


def test_many_requests_cost_no_more_readings_than_one() -> None:
    async def scenario() -> int:
        queue = Queue()
        queue.accepted = [4, 0]
        waiting = queue.waits(1000)
        started = asyncio.get_running_loop().time()
        assert await outcomes(waiting) == [503] * 1000
        assert asyncio.get_running_loop().time() - started == pytest.approx(WAIT_SECONDS, abs=0.1)
        readings = queue.readings
        await asyncio.sleep(60)
        assert queue.readings <= readings + 1  # nobody waits any more
        return readings

    assert run_at_once(scenario) <= WAIT_SECONDS / POLL_SECONDS + 2


def test_the_refusal_tells_the_lag() -> None:
    async def scenario() -> Problem:
        queue = Queue()
        queue.accepted = [4, 0]
        with pytest.raises(Problem) as caught:
            await queue.freshness.wait()
        return caught.value

    problem = run_at_once(scenario)
    assert problem.document()["lag_seconds"] == 1.5
    assert b"retry-after" in dict(problem.headers)


@pytest.mark.parametrize("error", [QueueUnavailable("away"), ZeroDivisionError("a fault")])
def test_a_queue_that_can_not_be_read_is_told_at_once_and_does_not_end_the_watch(
    error: Exception,
) -> None:
    async def scenario() -> None:
        queue = Queue()
        queue.accepted = [4, 0]
        waiting = queue.waits(3)
        await asyncio.sleep(POLL_SECONDS)
        queue.error = error
        assert await outcomes(waiting) == [503] * 3
        queue.error = None
        queue.trimmed = [4, 0]
        assert await outcomes(queue.waits()) == [200]

    run_at_once(scenario)


def test_a_queue_that_lost_its_counters_is_no_proof() -> None:
    async def scenario() -> None:
        queue = Queue()
        queue.accepted = [4, 0]
        waiting = queue.waits()
        await asyncio.sleep(POLL_SECONDS)
        queue.accepted, queue.trimmed = [0], [0]
        assert await outcomes(waiting) == [503]

    run_at_once(scenario)


def test_closing_ends_the_wait() -> None:
    async def scenario() -> None:
        queue = Queue()
        queue.accepted = [4, 0]
        waiting = queue.waits(3)
        await asyncio.sleep(POLL_SECONDS)
        waiting += queue.waits(3)
        await asyncio.sleep(0)
        started = asyncio.get_running_loop().time()
        await queue.freshness.close()
        assert await outcomes(waiting) == [503] * 6
        assert asyncio.get_running_loop().time() - started < 1

    run_at_once(scenario)


def test_the_wait_ends_when_the_client_leaves() -> None:
    async def scenario() -> None:
        queue = Queue()
        queue.accepted = [4, 0]
        left = asyncio.Event()
        messages = iter([{"type": "http.request"}])

        async def receive() -> Any:
            if message := next(messages, None):
                return message
            await left.wait()
            return {"type": "http.disconnect"}

        services = SimpleNamespace(freshness=queue.freshness)
        state = SimpleNamespace(services=services)
        request: Any = SimpleNamespace(app=SimpleNamespace(state=state), receive=receive)
        waiting = asyncio.create_task(wait_until_fresh(cast(Any, request)))
        await asyncio.sleep(1)
        left.set()
        with pytest.raises(ClientDisconnect):
            await waiting
        readings = queue.readings
        await asyncio.sleep(60)
        assert queue.readings <= readings + 1

    run_at_once(scenario)
