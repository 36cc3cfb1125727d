"""Long reads: few at once, a bounded line, and a place for the next when a client leaves."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from api.http.problems import Problem
from api.query.bulk_reads import MAX_WAITING, BulkReads, IsUnwanted
from storage.postgres.engine import COUNTING_CONNECTIONS

Message = dict[str, Any]
WHOLE = {"type": "http.request", "body": b"", "more_body": False}
GONE = {"type": "http.disconnect"}


class Client:
    """A client that stays until it is told otherwise."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.messages.put_nowait(WHOLE)

    async def receive(self) -> Message:
        return await self.messages.get()

    def send(self, message: Message) -> None:
        self.messages.put_nowait(message)


class Reads:
    """Reads that last until they are released, or until nobody wants them."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.begun: list[str] = []
        self.unwanted: list[str] = []

    def of(self, name: str) -> Callable[[IsUnwanted], str]:
        def read(is_unwanted: IsUnwanted) -> str:
            self.begun.append(name)
            while not self.release.wait(0.005):
                if is_unwanted():
                    self.unwanted.append(name)
                    break
            return name

        return read


def run(work: Callable[[BulkReads, Reads], Awaitable[None]]) -> None:
    async def main() -> None:
        reads = Reads()
        try:
            async with asyncio.timeout(60):
                await work(BulkReads(), reads)
        finally:
            reads.release.set()

    asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - a thread changes it
        await asyncio.sleep(0.005)


Tasks = dict[str, tuple[asyncio.Task[str], Client]]


async def ask(bulk: BulkReads, reads: Reads, *names: str) -> Tasks:
    """Let a client ask for each of these, in this order."""
    tasks = {}
    for name in names:
        client = Client()
        tasks[name] = (asyncio.create_task(bulk.run(reads.of(name), client.receive)), client)
        await asyncio.sleep(0)
    return tasks


def test_few_run_at_once_and_the_others_get_their_turn() -> None:
    async def work(bulk: BulkReads, reads: Reads) -> None:
        tasks = await ask(bulk, reads, "a", "b", "c")
        await until(lambda: len(reads.begun) == COUNTING_CONNECTIONS)
        assert sorted(reads.begun) == ["a", "b"]
        reads.release.set()
        assert [await task for task, _ in tasks.values()] == ["a", "b", "c"]

    run(work)


def test_a_client_that_leaves_frees_its_place_and_ends_its_read() -> None:
    async def work(bulk: BulkReads, reads: Reads) -> None:
        tasks = await ask(bulk, reads, "a", "b", "c")
        await until(lambda: len(reads.begun) == 2)
        tasks["a"][1].send(GONE)
        with pytest.raises(ClientDisconnect):
            await tasks["a"][0]
        await until(lambda: "c" in reads.begun)
        assert reads.unwanted == ["a"]

    run(work)


def test_a_client_that_leaves_the_line_never_begins() -> None:
    async def work(bulk: BulkReads, reads: Reads) -> None:
        tasks = await ask(bulk, reads, "a", "b", "c", "d")
        tasks["c"][1].send(GONE)
        with pytest.raises(ClientDisconnect):
            await tasks["c"][0]
        reads.release.set()
        assert await tasks["d"][0] == "d"
        assert "c" not in reads.begun

    run(work)


def test_a_client_that_closed_its_sending_side_is_answered_but_not_kept_in_line() -> None:
    async def work(bulk: BulkReads, reads: Reads) -> None:
        tasks = await ask(bulk, reads, "a", "b", "c")
        await until(lambda: len(reads.begun) == 2)
        for _, client in tasks.values():
            client.send(WHOLE)  # see `SingleWriteCycle.receive`
        with pytest.raises(Problem) as refused:
            await tasks["c"][0]
        assert refused.value.status == 503
        reads.release.set()
        assert [await tasks[name][0] for name in "ab"] == ["a", "b"]

    run(work)


def test_a_full_line_refuses_with_the_time_to_come_again_until_someone_leaves() -> None:
    async def work(bulk: BulkReads, reads: Reads) -> None:
        names = [str(number) for number in range(COUNTING_CONNECTIONS + MAX_WAITING)]
        tasks = await ask(bulk, reads, *names)
        with pytest.raises(Problem) as refused:
            await bulk.run(reads.of("one more"), Client().receive)
        assert refused.value.status == 503
        assert dict(refused.value.headers)[b"retry-after"].isdigit()
        tasks[names[-1]][1].send(GONE)
        with suppress(ClientDisconnect):
            await tasks[names[-1]][0]
        (again, _) = (await ask(bulk, reads, "again"))["again"]
        reads.release.set()
        assert await again == "again"

    run(work)
