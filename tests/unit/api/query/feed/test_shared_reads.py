"""Callers share a read that runs; one that nobody waits for is cancelled."""

import asyncio

import pytest

from api.query.feed.shared_reads import SharedReads


class Read:
    """A read that ends when the test says so."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = asyncio.Event()
        self.cancelled = False

    async def __call__(self) -> int:
        self.begun += 1
        try:
            await self.ended.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return self.begun


def test_callers_with_equal_keys_share_a_read_and_later_ones_begin_another() -> None:
    async def run() -> None:
        reads, read = SharedReads[int](), Read()
        callers = [asyncio.create_task(reads.run("a", read)) for _ in range(3)]
        await asyncio.sleep(0)
        other = asyncio.create_task(reads.run("b", read))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert read.begun == 2
        read.ended.set()
        await asyncio.gather(*callers, other)
        assert await reads.run("a", read) == 3

    asyncio.run(run())


def test_a_caller_that_leaves_does_not_end_the_read_of_others_but_the_last_one_does() -> None:
    async def run() -> None:
        reads, read = SharedReads[int](), Read()
        first, second = (asyncio.create_task(reads.run("a", read)) for _ in range(2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        assert not read.cancelled
        second.cancel()
        await asyncio.wait([second])
        await asyncio.sleep(0)
        assert read.cancelled
        read.ended.set()
        assert await reads.run("a", read) == 2

    asyncio.run(run())


def test_an_error_reaches_every_caller() -> None:
    async def fail() -> int:
        raise ValueError("no")

    async def run() -> None:
        reads = SharedReads[int]()
        found = await asyncio.gather(
            *(reads.run("a", fail) for _ in range(3)), return_exceptions=True
        )
        assert [type(each) for each in found] == [ValueError] * 3

    asyncio.run(run())
    with pytest.raises(ValueError, match="no"):
        asyncio.run(SharedReads[int]().run("a", fail))
