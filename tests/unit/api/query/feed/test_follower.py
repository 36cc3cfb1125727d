"""One reading of the ledger serves all, only while anybody follows; a hint hastens it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from api.query.feed import follower
from api.query.feed.follower import Follower, is_before
from storage.errors import DatabaseUnavailable
from storage.feed.position import FIRST, Position, Within

FEED = "feed"
SECONDS = 30


class Ledger:
    """A ledger that tests move, and that may be away."""

    def __init__(self) -> None:
        self.batches = 0
        self.readings = 0
        self.is_away = False

    async def read(self) -> Position:
        self.readings += 1
        if self.is_away:
            raise DatabaseUnavailable("away")
        return Position(FEED, {0: self.batches})


class Hints:
    """Hints that come when tests say so, and never by themselves."""

    def __init__(self) -> None:
        self.hint = asyncio.Event()
        self.paused = 0

    async def wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.hint.wait(), seconds)
        except TimeoutError:
            return
        self.hint.clear()

    async def pause(self) -> None:
        self.paused += 1


Case = Callable[[Ledger, Hints, Follower], Coroutine[Any, Any, None]]


def run(case: Case) -> None:
    async def run_it() -> None:
        ledger, hints = Ledger(), Hints()
        following = Follower(ledger.read, hints)
        await asyncio.wait_for(case(ledger, hints, following), SECONDS)
        await following.close()

    asyncio.run(run_it())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - any condition
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "PAUSE_SECONDS", 0.001)


def test_all_that_wait_are_woken_by_one_reading_after_a_hint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(follower, "POLL_SECONDS", 3600.0)

    async def case(ledger: Ledger, hints: Hints, following: Follower) -> None:
        position = await following.now()
        with following.following():
            await until(lambda: ledger.readings == 2)
            waiting = [asyncio.create_task(following.wait(SECONDS)) for _ in range(50)]
            await asyncio.sleep(0)
            ledger.batches += 1
            hints.hint.set()
            await asyncio.gather(*waiting)
            assert ledger.readings == 3
            assert following.is_behind(position)
        hints.hint.set()  # or the test would wait for the next reading
        await until(lambda: hints.paused == 1)

    run(case)


def test_nothing_is_read_while_nobody_follows_and_the_next_one_begins_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(follower, "POLL_SECONDS", 0.002)

    async def case(ledger: Ledger, hints: Hints, following: Follower) -> None:
        for turn in range(1, 4):
            with following.following():
                await until(lambda before=ledger.readings: ledger.readings > before + 2)  # type: ignore[misc]
            await until(lambda turn=turn: hints.paused == turn)  # type: ignore[misc]
            before = ledger.readings
            await asyncio.sleep(0.02)
            assert ledger.readings == before

    run(case)


def test_readings_go_on_after_an_outage_and_what_is_old_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(follower, "POLL_SECONDS", 0.002)
    monkeypatch.setattr(follower, "KNOWN_SECONDS", 0.05)

    async def case(ledger: Ledger, hints: Hints, following: Follower) -> None:
        assert not following.is_known
        ledger.is_away = True
        with pytest.raises(DatabaseUnavailable):
            await following.now()
        with following.following():
            ledger.is_away = False
            await until(lambda: following.is_known)
            ledger.is_away = True
            await until(lambda: not following.is_known)
            ledger.is_away, ledger.batches = False, 7
            await until(lambda: following.is_known)
            assert following.latest == Position(FEED, {0: 7})

    run(case)


def test_nobody_waits_after_the_end() -> None:
    async def case(ledger: Ledger, hints: Hints, following: Follower) -> None:
        with following.following():
            waiting = asyncio.create_task(following.wait(3600))
            await asyncio.sleep(0)
            following.end()
            await waiting
            await following.wait(3600)
            assert following.is_ended

    run(case)


def test_a_position_is_behind_where_any_writer_has_stored_more() -> None:
    here = Position(FEED, {0: 5, 1: 3})
    assert not is_before(here, here)
    assert not is_before(here, Position(FEED, {0: 4}))
    assert is_before(here, Position(FEED, {0: 5, 1: 4}))
    assert is_before(here, Position(FEED, {0: 5, 16385: 1}))
    assert is_before(Position(FEED, {0: 5}, Within(FIRST, {0: 5})), here)
    assert is_before(here, Position("another", {}))  # the reader must learn of it
