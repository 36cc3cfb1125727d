"""What reaches the connection: one write for a complete answer, and nothing malformed."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from api.http.request_body import BodyLimits, read_body
from api.server.bounded_protocol import BoundedHeadProtocol
from api.server.process_memory import ProcessMemory
from api.server.unread_answers import LARGE_BYTES, UnreadAnswers
from api.settings import ApiSettings
from tests.support.wire import Wire

MEMORY = ProcessMemory.of(ApiSettings(_env_file=None))
LENGTH = (b"content-length", b"2")
REQUEST = b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


def exchange(app: ASGIApp, *pieces: bytes, memory: ProcessMemory = MEMORY) -> Wire:
    """Return what the application answers to these bytes."""
    wire = Wire()

    async def scenario() -> None:
        config = Config(cast(Any, app), log_level="critical", access_log=False)
        config.load()
        state = ServerState()
        protocol = BoundedHeadProtocol(config, state, {}, head_seconds=30, memory=memory)
        protocol.connection_made(cast(Any, wire))
        for piece in pieces:
            protocol.data_received(piece)
            for _ in range(5):
                await asyncio.sleep(0)
        protocol.connection_lost(ConnectionResetError())

    asyncio.run(scenario())
    return wire


def answering(*messages: Message) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


def test_a_whole_answer_is_one_write() -> None:
    wire = exchange(answering(start(LENGTH), body(b"ok")), REQUEST)
    assert wire.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]
    assert not wire.closed


@pytest.mark.parametrize("apart", [False, True], ids=["one piece", "two pieces"])
def test_an_error_behind_a_whole_answer_leaves_the_connection_to_the_next_request(
    apart: bool,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answering(start(LENGTH, status=500), body(b"ok"))(scope, receive, send)
        raise RuntimeError("as Starlette raises behind its answer to an error")

    wire = exchange(app, *([REQUEST, REQUEST] if apart else [REQUEST + REQUEST]))
    assert b"".join(wire.writes).count(b"HTTP/1.1 500 ") == 2
    assert not wire.closed


def test_an_error_within_an_answer_ends_the_connection() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answering(start(), body(b"a", more=True))(scope, receive, send)
        raise RuntimeError

    assert exchange(app, REQUEST).closed


def test_the_head_waits_for_the_first_part_of_the_body_only() -> None:
    seen: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"a", more=True))
        seen.append(len(wire_of(send).writes))
        await send(body(b"b"))

    wire = exchange(app, REQUEST)
    assert seen == [2]
    assert b"".join(wire.writes).endswith(b"\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


def wire_of(send: Send) -> Wire:
    return cast(Wire, cast(Any, send).__self__.transport)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (REQUEST.replace(b"POST", b"HEAD"), [start(LENGTH), body(b"ok")]),
        (REQUEST, [start(status=304), body(b"")]),
        (REQUEST, [start(LENGTH, (b"connection", b"close")), body(b"ok")]),
        (REQUEST.replace(b"1.1", b"1.0"), [start(LENGTH), body(b"ok")]),
        (REQUEST, [start(), body(b"ok")]),
    ],
    ids=["head", "not modified", "close", "1.0", "chunked"],
)
def test_what_is_not_plain_is_answered_all_the_same(request_: bytes, answer: list[Message]) -> None:
    sent = b"".join(exchange(answering(*answer), request_).writes)
    head, _, content = sent.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % answer[0]["status"])
    if b"chunked" in head:
        assert content == b"2\r\nok\r\n0\r\n\r\n"
    else:
        assert content == (b"ok" if b"content-length" in head and request_[:4] == b"POST" else b"")


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b"])
def test_a_header_that_would_split_the_answer_never_leaves(value: bytes) -> None:
    wire = exchange(answering(start(LENGTH, (b"x-asked", value)), body(b"ok")), REQUEST)
    assert value not in b"".join(wire.writes)


@pytest.mark.parametrize("content", [b"", b"o", b"okk"])
def test_a_body_of_another_length_than_announced_is_no_answer(content: bytes) -> None:
    wire = exchange(answering(start(LENGTH), body(content)), REQUEST)
    assert wire.closed


def test_an_application_that_fails_before_its_body_is_answered_with_500() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(LENGTH))
        raise ValueError

    assert exchange(app, REQUEST).writes[0].startswith(b"HTTP/1.1 500")


def test_a_large_answer_without_memory_for_it_becomes_a_problem_that_ends_its_line() -> None:
    answers = UnreadAnswers(max_bytes=1, stall_seconds=30)
    answers._total = 1  # another client's answer
    large = body(b"x" * (LARGE_BYTES + 1))
    request = REQUEST.replace(b"POST", b"GET")
    [sent] = exchange(
        answering(start(), large), request, memory=replace(MEMORY, answers=answers)
    ).writes
    assert sent.startswith(b"HTTP/1.1 503 ")
    assert b"content-type: application/problem+json\r\n" in sent
    assert b"retry-after: 2\r\n" in sent
    assert sent.endswith(b"}\n")


@pytest.mark.parametrize("cut", [len(REQUEST), len(REQUEST) - 1, len(REQUEST) - 3])
def test_a_body_is_read_whole_whether_it_comes_with_its_head_or_later(cut: int) -> None:
    read: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with MEMORY.bodies.reservation() as reservation:
            read.append(await read_body(scope, receive, BodyLimits(100, 5, "here"), reservation))
        await answering(start(LENGTH), body(b"ok"))(scope, receive, send)

    wire = exchange(app, REQUEST[:cut], REQUEST[cut:])
    assert read == [b"abc"]
    assert len(wire.writes) == 1


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("reads", [True, False])
def test_nobody_is_answered_who_has_gone(count: int, is_told: bool, reads: bool) -> None:
    """A write to a closed transport raises in uvloop, and would be logged as a bug of ours."""
    wire = Wire()

    async def scenario() -> None:
        gone = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await gone.wait()
            await answering(start(LENGTH), body(b"ok"))(scope, receive, send)

        config = Config(cast(Any, app), log_level="critical", access_log=False)
        config.load()
        state = ServerState()
        protocol = BoundedHeadProtocol(config, state, {}, head_seconds=30, memory=MEMORY)
        protocol.connection_made(cast(Any, wire))
        protocol.data_received(count * REQUEST)
        if not reads:
            protocol.pause_writing()
            gone.set()
            for _ in range(5):
                await asyncio.sleep(0)
        wire.closed = True
        if is_told:
            protocol.connection_lost(None)
        gone.set()
        protocol.resume_writing()
        await asyncio.wait(state.tasks)

    asyncio.run(scenario())
    assert wire.writes == []
