"""Clients of the fast path that go away, do not read, or send nothing for some time."""

from unittest import mock

import pytest

from api.server import fast_path_protocol
from storage.errors import QueueUnavailable
from tests.support import fast_path_posts
from tests.support.fast_path_posts import BODY, GOOD, LEFT, cut, under_way
from tests.support.wired import Wired, run, steps

_no_lingering = fast_path_posts._no_lingering


@pytest.mark.parametrize("error", [None, QueueUnavailable("away")])
@pytest.mark.parametrize("behind", [b"", GOOD, GOOD[:-9]])
def test_nobody_is_answered_who_has_gone(error: Exception | None, behind: bytes) -> None:
    async def scenario() -> None:
        wired = Wired()
        under_way(wired)
        await wired.send(GOOD + behind)
        await steps()
        await wired.hang_up()
        wired.error = error
        wired.goes_on.set()
        await steps()
        assert wired.sent == b""
        assert len(wired.appended) == 1

    run(scenario)


def test_a_client_that_goes_away_in_the_middle_of_a_body_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        with mock.patch.object(fast_path_protocol, "HOLD_SECONDS", 0):
            wired = Wired()
            wired.protocol.data_received(GOOD[:-9])
            await wired.hang_up()
        assert (wired.requests, wired.sent, wired.appended) == (0, b"", [])

    run(scenario)


def test_a_client_that_does_not_read_is_written_no_more_than_it_takes() -> None:
    async def scenario() -> None:
        wired = Wired()
        wired.protocol.pause_writing()
        await wired.send(GOOD * 20)
        await steps()
        assert wired.sent == b""
        assert len(wired.appended) == 1
        wired.protocol.resume_writing()
        await wired.send()
        assert [answer.status for answer in wired.answers] == [202] * 20

    run(scenario)


def test_what_a_client_asks_for_is_not_prepared_before_it_has_read_the_answers_before() -> None:
    async def scenario() -> None:
        wired = Wired()
        wired.protocol.pause_writing()
        await wired.send(LEFT["get"] * 20)
        await steps()
        assert (wired.requests, wired.state.tasks) == (0, set())
        wired.protocol.resume_writing()
        await wired.send(LEFT["get"])
        assert [answer.status for answer in wired.answers] == [200] * 21

    run(scenario)


def test_a_shutdown_gives_up_a_client_that_does_not_read() -> None:
    async def scenario() -> None:
        wired = Wired()
        wired.protocol.pause_writing()
        await wired.send(GOOD)
        await steps()
        wired.protocol.shutdown()
        for task in wired.state.tasks:
            task.cancel()  # as uvicorn does when the time for a shutdown is over
        await steps()
        wired.protocol.resume_writing()
        await steps()
        assert wired.sent == b""

    run(scenario)


def test_a_client_that_does_not_read_and_goes_away_is_forgotten() -> None:
    async def scenario() -> None:
        wired = Wired()
        wired.protocol.pause_writing()
        await wired.send(GOOD * 20)
        await steps()
        await wired.hang_up()
        assert (wired.sent, wired.state.tasks) == (b"", set())

    run(scenario)


@pytest.mark.parametrize("place", [0, 9, len(GOOD) - 9])
def test_a_connection_that_has_sent_an_event_may_take_its_time_for_the_next(place: int) -> None:
    async def scenario() -> None:
        wired = Wired(head_seconds=0)
        for count in (1, 2):
            await wired.send(*cut(GOOD, [place]))
            await steps()
            assert [answer.status for answer in wired.answers] == [202] * count
        assert not wired.wire.closed

    run(scenario)


def test_each_answer_has_the_date_of_its_second() -> None:
    async def scenario() -> None:
        wired = Wired()
        for second in ("00", "01"):
            date = f"Tue, 24 Nov 2026 09:00:{second} GMT"
            wired.state.default_headers = [(b"date", date.encode())]
            await wired.send(GOOD)
            assert wired.answers[-1].headers["date"] == date

    run(scenario)


def test_a_connection_that_is_idle_after_an_event_is_closed() -> None:
    async def scenario() -> None:
        wired = Wired(keep_alive=0)
        await wired.send(GOOD)
        await steps()
        assert wired.wire.closed
        assert wired.state.total_requests == 1

    run(scenario)


@pytest.mark.parametrize("place", [1, len(GOOD) - len(BODY) - 1])
def test_a_request_that_has_begun_is_no_idleness(place: int) -> None:
    async def scenario() -> None:
        wired = Wired(keep_alive=0)
        await wired.send(GOOD + GOOD[:place])
        await steps()
        assert not wired.wire.closed
        await wired.send(GOOD[place:])
        assert [answer.status for answer in wired.answers] == [202, 202]

    run(scenario)
