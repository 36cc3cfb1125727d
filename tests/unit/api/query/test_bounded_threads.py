"""Threads that block: however many callers give up, no more of them run than may."""

import asyncio
import threading
from typing import Any, cast

import pytest

from api.query import service
from api.query.service import History
from storage.errors import DatabaseUnavailable
from testbed.waiting import wait_until
from tests.support.event_loop import run

THREADS = 2
SECONDS = 60


class Hanging:
    """Work that blocks its thread until the server moves again."""

    def __init__(self) -> None:
        self.moves = threading.Event()
        self.all_in_use = threading.Event()
        self.started = 0
        self.ended = 0
        self._lock = threading.Lock()

    def __call__(self) -> int:
        with self._lock:
            self.started += 1
            if self.started == THREADS:
                self.all_in_use.set()
        assert self.moves.wait(SECONDS)
        with self._lock:
            self.ended += 1
            return self.ended


@pytest.fixture
def history() -> History:
    no_server = cast(Any, None)
    return History(no_server, no_server, no_server, THREADS)


async def all_in_use(work: Hanging) -> None:
    """Wait until all threads that may run have started."""
    assert await asyncio.to_thread(work.all_in_use.wait, SECONDS)


async def gives_up(history: History, work: Hanging) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await history.in_thread(work)


def test_callers_that_give_up_start_no_more_threads_than_may_run(history: History) -> None:
    work = Hanging()

    async def scenario() -> None:
        for _ in range(4):
            await asyncio.gather(*(gives_up(history, work) for _ in range(5)))
        try:
            await all_in_use(work)
            assert work.started == THREADS
        finally:
            work.moves.set()
        await asyncio.to_thread(wait_until, lambda: work.ended == THREADS, "the threads to end")
        async with asyncio.timeout(SECONDS):
            assert await history.in_thread(work) == THREADS + 1

    run(scenario)


def test_a_caller_in_line_gets_its_error_in_time(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ANSWER_SECONDS", 0.1)
    work = Hanging()

    async def scenario() -> None:
        calls = (history.in_thread(work) for _ in range(2 * THREADS))
        try:
            found = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(one) for one in found] == 2 * THREADS * [DatabaseUnavailable]
            with pytest.raises(DatabaseUnavailable):
                await history.in_thread(work)
            await all_in_use(work)
            assert work.started == THREADS
        finally:
            work.moves.set()

    run(scenario)


def test_a_caller_in_line_takes_the_place_of_a_thread_that_ends(history: History) -> None:
    work = Hanging()

    async def scenario() -> None:
        calls = [asyncio.create_task(history.in_thread(work)) for _ in range(3 * THREADS)]
        await all_in_use(work)
        work.moves.set()
        async with asyncio.timeout(SECONDS):
            assert sorted(await asyncio.gather(*calls)) == list(range(1, 3 * THREADS + 1))

    run(scenario)


def test_an_error_that_no_caller_waits_for_is_not_logged(history: History) -> None:
    moves = threading.Event()

    def failing() -> None:
        assert moves.wait(SECONDS)
        raise DatabaseUnavailable("away")

    async def scenario() -> None:
        call = asyncio.create_task(history.in_thread(failing))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
        moves.set()
        with pytest.raises(DatabaseUnavailable):
            await history.in_thread(failing)

    run(scenario)
