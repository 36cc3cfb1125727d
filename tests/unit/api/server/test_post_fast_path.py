"""The fast path answers as FastAPI does, in order, once; it passes the rest on unchanged."""

import asyncio
import gzip
import json
import logging
from collections.abc import Iterator, Sequence
from itertools import pairwise
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.http import request_body
from api.http.paths import EVENTS, plain_path, spellings
from api.server import fast_path_protocol
from api.server.bounded_protocol import PIECE_BYTES
from storage.errors import QueueFull, QueueUnavailable
from tests.support.hostile import JSON, fuzz, mutations
from tests.support.raw_http import request
from tests.support.wired import EVENT_BYTES, RETRY_SECONDS, Answer, Wired, run, steps

EVENT = {"component": "orders", "environment": "production", "message": "shipped", "data": [1.50]}
BODY = json.dumps(EVENT).encode()


def post(body: bytes = BODY, *headers: bytes, path: bytes = b"/events") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return request(body, b"POST", path, *(headers or (JSON,)), length)


GOOD = post()
OF_LENGTH = BODY[:-1] + b" " * (EVENT_BYTES - len(BODY)) + b"}"
CLOUD_EVENT = (JSON, b"ce-specversion: 1.0", b"ce-id: 1", b"ce-source: /a", b"ce-type: b")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKS = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (5, BODY[:5], len(BODY) - 5, BODY[5:])

# Each is answered, and the connection may go on unless it is one of the last.
TAKEN = {
    "good": GOOD,
    "of just the limit": post(OF_LENGTH),
    "in api": post(path=b"/api/events/"),
    "charset": post(BODY, b"Content-Type: APPLICATION/JSON; charset=utf-8"),
    "keep alive": post(BODY, JSON, b"Connection: keep-alive"),
    "any other headers": post(BODY, JSON, b"X: 1", b"User-Agent: u", b"Accept: */*", b"Cookie: c"),
}
LEFT = {
    "no json": post(b"{"),
    "no body": post(b""),
    "of no length": request(b"", b"POST", b"/events", JSON),
    "nul": post(BODY.replace(b"shipped", b"\\u0000")),
    "exponent": post(BODY.replace(b"1.5", b"1e5")),
    "infinite": post(BODY.replace(b"1.5", b"1e999")),
    "no event": post(b"[1]"),
    "not utf-8": post(BODY.replace(b"shipped", b"\xff")),
    "a field too many": post(b'{"colour":1,' + BODY[1:]),
    "chunked": request(CHUNKS, b"POST", b"/events", JSON, b"Transfer-Encoding: chunked"),
    "gzip": post(gzip.compress(BODY, mtime=0), JSON, b"Content-Encoding: gzip"),
    "identity": post(BODY, JSON, b"Content-Encoding: identity"),
    "text": post(BODY, b"Content-Type: text/plain"),
    "of no type": request(BODY, b"POST", b"/events", b"Content-Length: %d" % len(BODY)),
    "two types": post(BODY, JSON, b"Content-Type: text/plain"),
    "two other types": post(BODY, b"Content-Type: text/plain", JSON),
    "a header twice": post(BODY, JSON, b"X: 1", b"x: 2"),
    "a cloud event": post(BODY, *CLOUD_EVENT),
    "a bad key": post(BODY, JSON, b"Idempotency-Key: \xff"),
    "expect": post(BODY, JSON, b"Expect: 100-continue"),
    "upgrade": post(BODY, JSON, b"Connection: Upgrade", b"Upgrade: h2c"),
    "query": post(path=b"/events?ack=now"),
    "elsewhere": post(path=b"/nowhere"),
    "another method": request(b"", b"PUT", b"/events"),
    "get": request(b"", b"GET", b"/health"),
}
TAKEN_LAST = {
    "close": post(BODY, JSON, b"Connection: close"),
    "http 1.0": GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "http 1.0 kept alive": post(BODY, JSON, b"Connection: keep-alive").replace(b"/1.1", b"/1.0"),
}
LEFT_LAST = {
    "another coding": post(BODY, JSON, b"Content-Encoding: br"),
    "too large": post(OF_LENGTH[:-1] + b" }"),
    "no http": b"POST\r\n\r\n",
}


@pytest.fixture(autouse=True, scope="module")
def _no_lingering() -> Iterator[None]:
    with mock.patch.object(request_body, "LINGER_SECONDS", 0):
        yield


def cut(sent: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted({place for place in places if 0 < place < len(sent)}), len(sent)]
    return [sent[a:b] for a, b in pairwise(edges)]


def talk(pieces: Sequence[bytes], with_fast_path: bool = True) -> Wired:
    """Send these pieces on one connection, and return it."""
    found: list[Wired] = []

    async def scenario() -> None:
        found.append(Wired(with_fast_path))
        await found[0].send(*pieces)
        await found[0].hang_up()

    run(scenario)
    return found[0]


def assert_same(pieces: Sequence[bytes]) -> Wired:
    """Assert that both ways answer, append and close in the same way."""
    ours, theirs = talk(pieces), talk(pieces, with_fast_path=False)
    assert ours.answers == theirs.answers
    assert ours.sent.count(CONTINUE) == theirs.sent.count(CONTINUE)
    assert (len(ours.appended), ours.closed) == (len(theirs.appended), theirs.closed)
    return ours


@pytest.mark.parametrize("sent", TAKEN.values(), ids=TAKEN)
def test_what_is_plainly_good_never_comes_to_fastapi_but_is_answered_as_there(sent: bytes) -> None:
    ours = assert_same([sent])
    assert ours.requests == 0
    assert len(ours.wire.writes) == 1
    assert [answer.status for answer in ours.answers] == [202]
    assert ours.answers[0].headers == {
        "date": "Tue, 24 Nov 2026 09:00:00 GMT",
        "content-type": "application/json",
        "content-length": str(len(ours.appended[0]) + 1),  # a line feed
        "location": "/events/<id>",
        "activity-ack": "queued",
    }
    assert ours.sent.endswith(b"\r\n\r\n" + ours.appended[0] + b"\n")
    made = json.loads(ours.appended[0])
    assert b"location: /events/%b\r\n" % made["id"].encode() in ours.sent


@pytest.mark.parametrize("sent", TAKEN_LAST.values(), ids=TAKEN_LAST)
def test_what_is_plainly_good_and_the_last_is_answered_and_the_connection_closed(
    sent: bytes,
) -> None:
    ours = assert_same([sent + GOOD])
    assert (ours.requests, len(ours.wire.writes)) == (0, 1)
    [answer] = ours.answers
    assert (answer.status, answer.headers["connection"]) == (202, "close")
    assert ours.closed


@pytest.mark.parametrize("sent", [*LEFT.values(), *LEFT_LAST.values()], ids=[*LEFT, *LEFT_LAST])
def test_what_is_not_plainly_good_is_answered_as_if_there_were_no_fast_path(sent: bytes) -> None:
    ours = assert_same([sent])
    assert len(ours.answers) == 1
    for places in ([len(sent) - 1], range(0, len(sent), 7), [sent.find(b"\r\n\r\n") + 4]):
        assert assert_same(cut(sent, places)).answers == ours.answers


@fuzz(300)
@given(mutations([BODY]))
def test_whatever_is_posted_is_answered_the_same_both_ways(body: bytes) -> None:
    assert_same([post(body)])


def test_wherever_a_packet_ends_the_answer_is_the_same() -> None:
    whole = talk([GOOD])
    for place in range(1, len(GOOD)):
        ours = talk(cut(GOOD, [place]))
        assert ours.answers == whole.answers
        assert (ours.requests, len(ours.wire.writes)) == (0, 1)


def test_a_body_that_comes_late_is_waited_for_as_any_other() -> None:
    whole = talk([GOOD])

    async def scenario() -> None:
        with mock.patch.object(fast_path_protocol, "HOLD_SECONDS", 0):
            wired = Wired()
            for piece in cut(GOOD, [len(GOOD) - 30, len(GOOD) - 20]):
                wired.protocol.data_received(piece)
                await steps()
            await wired.send()
        assert wired.requests == 1
        assert wired.answers == whole.answers
        await wired.send(GOOD)
        assert wired.requests == 1
        assert len(wired.answers) == 2

    run(scenario)


requests = st.sampled_from(list({**TAKEN, **LEFT}.values()))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(requests, max_size=8),
    st.sampled_from([b"", *TAKEN_LAST.values(), *LEFT_LAST.values()]),
    st.lists(st.integers(1, 4000), max_size=12),
)
def test_whatever_is_pipelined_in_whatever_packets_is_answered_in_order(
    sent: list[bytes], last: bytes, places: list[int]
) -> None:
    pieces = cut(b"".join([*sent, last]), places)
    ours = assert_same(pieces)
    assert len(ours.answers) == len(sent) + bool(last)
    assert [answer.status for answer in ours.answers[: len(sent)]] == [
        talk([one]).answers[0].status for one in sent
    ]


def test_many_events_in_one_packet_take_the_fast_path_one_after_the_other() -> None:
    ours = talk([GOOD * 100])
    assert ours.requests <= 100 * len(GOOD) / PIECE_BYTES  # those that are cut where a piece ends
    assert [answer.status for answer in ours.answers] == [202] * 100
    assert len(set(ours.appended)) == 100


@pytest.mark.parametrize("path", sorted(spellings(EVENTS)))
def test_the_fast_path_knows_only_paths_that_are_those_of_events(path: str) -> None:
    assert plain_path(path) == "/events"


# --- while an event is appended ----------------------------------------------------------------


def under_way(wired: Wired) -> None:
    """Let the queue not answer before `goes_on` is set."""
    wired.writes_at_once = False


async def goes_on(wired: Wired, *sent: bytes) -> None:
    wired.writes_at_once = True
    wired.goes_on.set()
    await wired.send(*sent)


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
