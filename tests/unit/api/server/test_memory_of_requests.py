"""Whatever a client makes this process keep of its requests counts until it is released."""

import sys

import pytest

from api.server.bounded_protocol import REQUEST_BYTES
from tests.support.hostile import BODY, JSON, get, post
from tests.support.raw_http import request
from tests.support.wired import Wired, run, steps

CHUNKED = b"Transfer-Encoding: chunked"
FIELDS = b"a:b\r\n" * 8_000
UNFINISHED = {
    "POST": request(b"0\r\n", b"POST", b"/events", JSON, CHUNKED),
    "GET": request(b"0\r\n", b"GET", b"/docs", CHUNKED),
}
LONG = {
    "answered": get(b"/docs")[:-2] + FIELDS + b"\r\n",
    "of a body to come": request(b"", b"POST", b"/events", JSON, CHUNKED)[:-2] + FIELDS + b"\r\n",
}
PIPELINED = get(b"/docs") * 5_000


def room_of(wired: Wired) -> int:
    return wired.memory.unfinished.limit - wired.memory.unfinished.free


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
def test_the_fields_of_a_trailer_are_not_kept(sent: bytes) -> None:
    async def scenario() -> None:
        wired = Wired()
        wired.protocol.data_received(sent + FIELDS)
        await steps()
        assert sys.getsizeof(wired.protocol.headers) < 1024
        assert room_of(wired) >= len(FIELDS) - 4096
        await wired.hang_up()
        assert room_of(wired) == 0

    run(scenario)


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
def test_past_the_room_a_trailer_that_does_not_end_is_the_end_of_its_connection(
    sent: bytes,
) -> None:
    async def scenario() -> None:
        wired = Wired()
        wired.memory.unfinished.free = 30_000
        wired.protocol.data_received(sent + b"a: " + b"b" * 60_000)
        await steps()
        assert wired.wire.closed
        assert wired.memory.unfinished.free == 30_000
        if sent.startswith(b"POST"):
            assert wired.answers[0].status == 503
        assert wired.appended == []

    run(scenario)


def test_requests_that_wait_for_the_answers_before_them_count() -> None:
    async def scenario() -> None:
        wired = Wired()
        wired.protocol.pause_writing()
        await wired.send(PIPELINED)
        await steps()
        assert room_of(wired) >= len(PIPELINED) + REQUEST_BYTES * 50
        wired.protocol.resume_writing()
        await wired.send()
        assert room_of(wired) == 0
        assert [answer.status for answer in wired.answers] == [200] * 5_000

    run(scenario)


@pytest.mark.parametrize("begun", [b"", post(BODY)[:-5], get(b"/docs")[:-9]])
def test_past_the_room_what_waits_is_dropped_and_told_so_behind_the_answer_under_way(
    begun: bytes,
) -> None:
    async def scenario() -> None:
        wired = Wired()
        wired.memory.unfinished.free = 30_000
        wired.writes_at_once = False
        await wired.send(post(BODY) + get(b"/docs") * 30 + begun)
        assert wired.memory.unfinished.free == 30_000
        assert not wired.answers
        wired.writes_at_once = True
        wired.goes_on.set()
        await steps()
        assert [answer.status for answer in wired.answers] == [202, 503]
        assert "use all the memory for requests" in wired.answers[1].body
        assert wired.wire.closed
        assert len(wired.appended) == 1

    run(scenario)


@pytest.mark.parametrize("sent", LONG.values(), ids=LONG)
def test_a_long_head_counts_as_long_as_it_is_kept_and_no_idle_connection_keeps_it(
    sent: bytes,
) -> None:
    async def scenario() -> None:
        wired = Wired()
        wired.protocol.data_received(sent)
        assert room_of(wired) > 128 * 8_000
        if sent.startswith(b"GET"):
            await wired.send()
            assert [answer.status for answer in wired.answers] == [200]
            assert wired.answers[0].headers["connection"] == "close"
            assert wired.wire.closed
        await wired.hang_up()
        assert room_of(wired) == 0
        refused = Wired()
        refused.memory.unfinished.free = 100_000
        await refused.send(sent)
        assert [answer.status for answer in refused.answers] == [503]
        assert refused.wire.closed

    run(scenario)


def test_a_client_that_goes_away_gives_back_the_room_of_what_waits() -> None:
    async def scenario() -> None:
        wired = Wired()
        wired.protocol.pause_writing()
        await wired.send(PIPELINED)
        await steps()
        await wired.hang_up()
        assert room_of(wired) == 0

    run(scenario)
