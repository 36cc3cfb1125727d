"""The time a body may take is the client's, not the service's own."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from api.http.problems import Problem
from api.http.request_body import BodyLimits, body_pieces

LIMITS = BodyLimits(bytes=1000, seconds=30, subject="a batch")
SCOPE = {"type": "http", "headers": []}


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time a test can advance."""

    advanced = 0.0

    def time(self) -> float:
        return super().time() + self.advanced

    def advance(self, seconds: float) -> None:
        self.advanced += seconds


async def pieces(clock: Clock, count: int, seconds_between: float) -> AsyncIterator[bytes]:
    """Yield the pieces of a body whose client takes this long for each of them."""
    left = count

    async def receive() -> Message:
        nonlocal left
        clock.advance(seconds_between)
        await asyncio.sleep(0)  # as while the next piece is on its way
        left -= 1
        return {"type": "http.request", "body": b"x", "more_body": left > 0}

    async for piece in body_pieces(SCOPE, receive, LIMITS):
        yield piece


def test_the_time_in_which_the_service_reads_a_piece_is_not_the_clients() -> None:
    async def read_slowly(clock: Clock) -> int:
        count = 0
        async for _ in pieces(clock, 3, seconds_between=0):
            count += 1
            clock.advance(LIMITS.seconds)
        return count

    clock = Clock()
    with asyncio.Runner(loop_factory=lambda: clock) as runner:
        assert runner.run(read_slowly(clock)) == 3


def test_a_client_that_drips_its_body_is_refused_though_each_piece_comes_in_time() -> None:
    async def read_at_once(clock: Clock) -> None:
        async for _ in pieces(clock, 100, seconds_between=LIMITS.seconds / 4):
            pass

    clock = Clock()
    with asyncio.Runner(loop_factory=lambda: clock) as runner, pytest.raises(Problem) as raised:
        runner.run(read_at_once(clock))
    assert raised.value.status == 408
