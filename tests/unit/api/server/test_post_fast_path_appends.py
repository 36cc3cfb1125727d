"""While the fast path appends an event: failures, later requests, and a shutdown."""

import asyncio
import logging

import pytest

from storage.errors import QueueFull, QueueUnavailable
from tests.support import fast_path_posts
from tests.support.fast_path_posts import GOOD, LEFT, cut, goes_on, talk, under_way
from tests.support.wired import RETRY_SECONDS, Answer, Wired, run, steps

_no_lingering = fast_path_posts._no_lingering

FAILURES: list[tuple[BaseException, int, dict[str, str]]] = [
    (QueueUnavailable("away"), 503, {"retry-after": "2"}),
    (QueueFull("full"), 503, {"retry-after": str(RETRY_SECONDS)}),
    (RuntimeError("a secret"), 500, {}),
    (asyncio.CancelledError(), 500, {}),
]


@pytest.mark.parametrize(("error", "status", "headers"), FAILURES)
def test_an_append_that_fails_is_told_as_fastapi_does_and_not_tried_again(
    error: BaseException, status: int, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[list[Answer]] = []

    async def scenario() -> None:
        for with_fast_path in (True, False):
            wired = Wired(with_fast_path)
            wired.error = error
            with caplog.at_level(logging.ERROR):
                await wired.send(GOOD)
            assert len(wired.appended) == 1
            assert wired.requests == (not with_fast_path)
            answers.append(wired.answers)
            wired.error = None
            if with_fast_path:
                await wired.send(GOOD)
                assert [answer.status for answer in wired.answers] == [status, 202]

    run(scenario)
    [[ours], theirs] = answers
    assert ours.status == status
    assert headers.items() <= ours.headers.items()
    if not isinstance(error, asyncio.CancelledError):  # uvicorn's own answer to that is plain text
        assert [ours] == theirs
    assert ("POST /events" in caplog.text) == (status == 500)
    assert "a secret" not in ours.body


def test_a_queue_that_takes_nothing_more_is_told_in_order_too() -> None:
    async def scenario() -> None:
        wired = Wired()
        wired.commit._max_pending = 0
        await wired.send(GOOD * 40 + LEFT["get"])
        assert [answer.status for answer in wired.answers] == [503] * 40 + [200]
        assert wired.answers[0].headers["retry-after"] == str(RETRY_SECONDS)
        assert wired.appended == []

    run(scenario)


def test_an_event_that_can_not_be_made_is_a_logged_internal_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(ms: int) -> bytes:
        raise OSError("no random bits")

    monkeypatch.setattr("api.ingest.stamping.new_id", broken)
    assert [answer.status for answer in talk([GOOD * 3]).answers] == [500] * 3
    assert "no random bits" in caplog.text


def test_who_asks_next_waits_until_the_event_is_on_disk() -> None:
    async def scenario() -> None:
        wired = Wired()
        under_way(wired)
        await wired.send(GOOD + LEFT["get"] + GOOD)
        await steps()
        assert wired.sent == b""
        assert len(wired.appended) == 1
        await goes_on(wired)
        assert [answer.status for answer in wired.answers] == [202, 200, 202]

    run(scenario)


def test_a_body_that_is_on_its_way_meanwhile_is_given_the_time_of_a_body() -> None:
    async def scenario() -> None:
        wired = Wired()
        under_way(wired)
        await wired.send(GOOD + GOOD[:-9])
        wired.protocol._head_seconds = 0
        wired.goes_on.set()
        await steps()
        assert len(wired.answers) == 1
        await goes_on(wired, GOOD[-9:])
        await steps()
        assert [answer.status for answer in wired.answers] == [202, 202]
        assert not wired.wire.closed

    run(scenario)


def test_a_shutdown_meanwhile_is_waited_for_then_the_connection_is_closed() -> None:
    async def scenario() -> None:
        wired = Wired()
        under_way(wired)
        await wired.send(GOOD)
        wired.protocol.shutdown()
        await steps()
        assert not wired.wire.closed
        await goes_on(wired)
        [answer] = wired.answers
        assert (answer.status, answer.headers["connection"]) == (202, "close")
        assert wired.wire.closed

    run(scenario)


def test_a_body_on_its_way_when_a_stop_begins_is_taken_and_its_answer_says_close() -> None:
    async def scenario() -> None:
        wired = Wired()
        first, second = cut(GOOD, [len(GOOD) - 9])
        wired.protocol.data_received(first)
        wired.protocol.announce_close()
        assert not wired.wire.closed
        await wired.send(second)
        [answer] = wired.answers
        assert (answer.status, answer.headers["connection"]) == (202, "close")
        assert wired.wire.closed

    run(scenario)


@pytest.mark.parametrize("request_", [GOOD, GOOD.replace(b"/json", b"/json ;a=b")])
def test_the_next_request_on_an_idle_connection_is_answered_with_close_during_a_stop(
    request_: bytes,
) -> None:
    async def scenario() -> None:
        wired = Wired()
        await wired.send(GOOD)
        wired.protocol.announce_close()
        assert not wired.wire.closed
        await wired.send(request_)
        first, second = wired.answers
        assert (first.status, first.headers.get("connection")) == (202, None)
        assert (second.status, second.headers["connection"]) == (202, "close")
        assert wired.wire.closed

    run(scenario)


@pytest.mark.parametrize("size", [10, len(GOOD) - 9])
def test_a_request_that_has_not_come_whole_at_the_end_of_a_stop_is_refused(size: int) -> None:
    async def scenario() -> None:
        wired = Wired()
        await wired.send(GOOD)
        wired.protocol.data_received(GOOD[:size])
        wired.protocol.announce_close()
        wired.protocol.shutdown()
        _, answer = wired.answers
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        assert wired.wire.closed
        await steps()
        assert len(wired.appended) == 1

    run(scenario)
