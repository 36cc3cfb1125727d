"""One run at a time per key; who asks during a run gets the next one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api.query.single_flight import SingleFlight
from tests.support.event_loop import run, settle


class Work:
    """Runs that end when told to, and say how many went at once."""

    def __init__(self) -> None:
        self.started = 0
        self.at_once = 0
        self.max_at_once = 0
        self.ends: list[asyncio.Future[str]] = []

    async def __call__(self) -> str:
        self.started += 1
        self.at_once += 1
        self.max_at_once = max(self.max_at_once, self.at_once)
        end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.ends.append(end)
        try:
            return await end
        finally:
            self.at_once -= 1


def ask(
    single_flight: SingleFlight[str], work: Callable[[], Awaitable[str]], key: str = "k"
) -> Any:
    return asyncio.create_task(single_flight.run(key, work))


def is_empty(single_flight: SingleFlight[str]) -> bool:
    return not single_flight._running and not single_flight._next


def test_who_asks_during_a_run_shares_the_next_one() -> None:
    async def scenario() -> None:
        single_flight, work = SingleFlight[str](), Work()
        first = ask(single_flight, work)
        await settle()
        later = [ask(single_flight, work) for _ in range(3)]
        await settle()
        assert work.started == 1
        work.ends[0].set_result("before they asked")
        await settle()
        assert work.started == 2
        last = ask(single_flight, work)
        await settle()
        work.ends[1].set_result("after they asked")
        await settle()
        work.ends[2].set_result("the last")
        assert await first == "before they asked"
        assert await asyncio.gather(*later) == ["after they asked"] * 3
        assert await last == "the last"
        assert work.max_at_once == 1
        assert is_empty(single_flight)

    run(scenario)


def test_who_asks_in_the_turn_in_which_a_run_ends_still_shares_the_next_one() -> None:
    async def scenario() -> None:
        single_flight, work = SingleFlight[str](), Work()
        asked = [ask(single_flight, work)]
        await settle()
        asked.append(ask(single_flight, work))
        await settle()
        work.ends[0].set_result("1")
        for _ in range(6):  # one more in each turn of the loop while one run follows the other
            asked.append(ask(single_flight, work))
            await asyncio.sleep(0)
        while not all(task.done() for task in asked):
            await settle()
            for end in work.ends:
                if not end.done():
                    end.set_result("n")
        assert work.max_at_once == 1
        assert work.started == 3
        assert is_empty(single_flight)

    run(scenario)


def test_different_keys_run_at_once() -> None:
    async def scenario() -> None:
        single_flight, work = SingleFlight[str](), Work()
        tasks = [ask(single_flight, work, "a"), ask(single_flight, work, "b")]
        await settle()
        assert work.at_once == 2
        for end in work.ends:
            end.set_result("done")
        assert await asyncio.gather(*tasks) == ["done", "done"]

    run(scenario)


def test_an_error_reaches_all_who_share_the_run_and_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        single_flight, work = SingleFlight[str](), Work()
        first = ask(single_flight, work)
        await settle()
        later = [ask(single_flight, work) for _ in range(2)]
        await settle()
        work.ends[0].set_exception(OSError("first"))
        await settle()
        work.ends[1].set_exception(OSError("next"))
        with pytest.raises(OSError, match="first"):
            await first
        for task in later:
            with pytest.raises(OSError, match="next"):
                await task
        assert is_empty(single_flight)
        again = ask(single_flight, work)
        await settle()
        work.ends[2].set_result("well")
        assert await again == "well"

    run(scenario)


def test_an_asker_that_goes_away_ends_the_run_for_nobody_else() -> None:
    async def scenario() -> None:
        single_flight, work = SingleFlight[str](), Work()
        first = ask(single_flight, work)
        await settle()
        gone, stays = ask(single_flight, work), ask(single_flight, work)
        await settle()
        first.cancel()
        gone.cancel()
        await settle()
        work.ends[0].set_result("for nobody")
        await settle()
        work.ends[1].set_result("for one")
        assert await stays == "for one"
        assert first.cancelled()
        assert gone.cancelled()
        assert is_empty(single_flight)

    run(scenario)


@pytest.mark.parametrize("fails", [False, True])
def test_when_all_askers_have_gone_no_key_stays_and_nothing_is_complained_of(fails: bool) -> None:
    async def scenario() -> None:
        single_flight, work = SingleFlight[str](), Work()
        tasks = []
        for _ in range(3):
            tasks.append(ask(single_flight, work))
            await settle()
        for task in tasks:
            task.cancel()
        await settle()
        for number in range(2):
            if fails:
                work.ends[number].set_exception(OSError("nobody hears this"))
            else:
                work.ends[number].set_result("nobody hears this")
            await settle()
        assert work.started == 2
        assert is_empty(single_flight)

    run(scenario)


def test_a_loop_that_shuts_down_in_the_middle_of_runs_ends_cleanly() -> None:
    single_flight, work = SingleFlight[str](), Work()
    asked: list[asyncio.Task[str]] = []

    async def scenario() -> None:
        asked.append(ask(single_flight, work))
        await settle()
        asked.append(ask(single_flight, work))
        await settle()

    run(scenario)
    assert all(task.cancelled() for task in asked)
    assert is_empty(single_flight)
