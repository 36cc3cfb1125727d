"""What every kind of grouped call guarantees, tried on the smallest one."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import pytest

from storage.errors import QueueUnavailable, StorageError
from storage.grouped_calls import GroupedCalls, settle


class Submission(NamedTuple):
    name: str
    future: asyncio.Future[str]


class Echo(GroupedCalls[Submission]):
    """Answers each name with itself, once the test ends the call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[str]] = []
        self.ends: list[asyncio.Future[None]] = []

    def submit(self, name: str) -> asyncio.Future[str]:
        submission = Submission(name, self._loop.create_future())
        self._pending.append(submission)
        self._weight += 1
        if not self._tasks:
            self._start()
        return submission.future

    async def _call(self, group: list[Submission]) -> None:
        self.calls.append([submission.name for submission in group])
        self.ends.append(self._loop.create_future())
        await self.ends[-1]
        for submission in group:
            settle([submission], submission.name)


async def turns() -> None:
    """Until every task has gone as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def run(scenario: Callable[[Echo], Coroutine[Any, Any, None]]) -> None:
    """Run it; nothing may be left that the loop would complain of."""
    complaints: list[dict[str, Any]] = []
    echo = Echo()

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        await scenario(echo)
        await turns()
        gc.collect()

    asyncio.run(watched())
    gc.collect()
    assert complaints == []


def test_a_call_serves_all_that_was_submitted_during_the_call_before() -> None:
    async def scenario(echo: Echo) -> None:
        first = echo.submit("1")
        await turns()
        later = [echo.submit("2"), echo.submit("3")]
        await turns()
        assert echo.calls == [["1"]]
        echo.ends[0].set_result(None)
        assert await first == "1"
        await turns()
        echo.ends[1].set_result(None)
        assert await asyncio.gather(*later) == ["2", "3"]
        assert echo.calls == [["1"], ["2", "3"]]

    run(scenario)


@pytest.mark.parametrize("error", [QueueUnavailable("away"), TypeError("a bug of ours")])
def test_a_failed_call_fails_its_own_group_and_only_a_bug_is_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(echo: Echo) -> None:
        first = [echo.submit("1"), echo.submit("2")]
        await turns()
        later = echo.submit("3")
        echo.ends[0].set_exception(error)
        for future in first:
            with pytest.raises(type(error)):
                await future
        await turns()
        echo.ends[1].set_result(None)
        assert await later == "3"

    run(scenario)
    logged = "Echo: a call for 2 submissions failed" in caplog.text
    assert logged != isinstance(error, StorageError)


@pytest.mark.parametrize("error", [None, QueueUnavailable("away")])
def test_a_caller_that_goes_away_affects_no_other(error: Exception | None) -> None:
    async def scenario(echo: Echo) -> None:
        gone, stays = echo.submit("1"), echo.submit("2")
        await turns()
        gone_while_pending, later = echo.submit("3"), echo.submit("4")
        gone.cancel()
        gone_while_pending.cancel()
        if error:
            echo.ends[0].set_exception(error)
        else:
            echo.ends[0].set_result(None)
        await asyncio.wait([stays])
        assert stays.exception() is error
        await turns()
        echo.ends[1].set_result(None)
        assert await later == "4"

    run(scenario)


def test_a_cancelled_call_leaves_no_caller_waiting_and_the_next_submission_is_served() -> None:
    async def scenario(echo: Echo) -> None:
        futures = [echo.submit("1")]
        await turns()
        futures.append(echo.submit("2"))
        echo.ends[0].cancel()
        await asyncio.wait(futures)
        assert all(future.cancelled() for future in futures)
        await turns()
        again = echo.submit("3")
        await turns()
        assert echo.calls == [["1"], ["3"]]
        echo.ends[1].set_result(None)
        assert await again == "3"

    run(scenario)


def test_a_loop_that_shuts_down_leaves_no_caller_waiting() -> None:
    futures: list[asyncio.Future[str]] = []

    async def scenario(echo: Echo) -> None:
        futures.append(echo.submit("in the call"))
        await turns()
        futures.append(echo.submit("pending"))

    run(scenario)
    assert all(future.cancelled() for future in futures)


def test_closing_waits_for_the_call_under_way_and_for_what_is_pending() -> None:
    async def scenario(echo: Echo) -> None:
        await echo.close()
        futures = [echo.submit("1")]
        await turns()
        futures.append(echo.submit("2"))
        closing = asyncio.create_task(echo.close())
        for number in range(2):
            await turns()
            assert not closing.done()
            echo.ends[number].set_result(None)
        await closing
        assert await asyncio.gather(*futures) == ["1", "2"]

    run(scenario)
