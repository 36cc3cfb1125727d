"""A read whose head came before is not parsed again, and answered as if it were."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, cast
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth.key_ring import KeyRing
from api.query import question
from api.server.access_log import access_log
from api.server.known_heads import MAX_HEAD_BYTES, MAX_HEADS, KnownHeads
from api.server.unread_answers import LARGE_BYTES
from storage.access.api_key import Scope
from storage.cache.page_cache import LocalPage
from storage.errors import ControlUnavailable
from storage.metrics.catalogue import CACHE_REQUESTS, HTTP_REQUESTS, Metric
from storage.metrics.layout import combinations, offset
from storage.metrics.process import own
from storage.model.cached_page import CachedPage
from tests.support import fast_path_posts
from tests.support.fast_path_posts import GOOD, cut
from tests.support.keys import new_key, records, revoked, ring_with
from tests.support.wired import Wired, run, steps

_no_lingering = fast_path_posts._no_lingering

PAGE = CachedPage.of(b'{"events":[],"next_cursor":null}\n')
OTHER = CachedPage.of(b'{"events":[{}],"next_cursor":null}\n')
KEY = new_key(Scope.READ)


class NoParser:
    """Fails the test that parses anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the parser was asked: {name}")


def get(target: bytes = b"/events?component=a", *headers: bytes) -> bytes:
    lines = [b"GET %b HTTP/1.1" % target, b"Host: x", *headers]
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def wired(keys: KeyRing | None = None) -> Wired:
    """Return a connection of a process that has a page in memory, and knows the Host."""
    found = Wired(keys=keys)
    found.hosts.admits(b"x")
    found.pages.page, found.pages.current = PAGE, PAGE.etag
    return found


def known_reads(connection: Wired) -> dict[bytes, Any]:
    pages = connection.protocol._pages
    assert pages is not None
    return pages.heads.found


def no_parser(connection: Wired) -> None:
    connection.protocol.parser = cast(Any, NoParser())


def statuses(connection: Wired) -> list[int]:
    return [answer.status for answer in connection.answers]


def answering(connection: Wired) -> None:
    """Let an application answer in place of FastAPI, which has no history here."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        connection.requests += 1
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    connection.protocol.app = app


class Validation:
    """Control's answers to the reads of a connection, which come when the test says."""

    def __init__(self, connection: Wired) -> None:
        self.asked: list[asyncio.Future[bytes | None]] = []
        self.digests: list[str] = []
        connection.pages.local = self._local  # type: ignore[assignment,method-assign]
        self._connection = connection

    def _local(self, name: str, tags: Sequence[str]) -> LocalPage:
        self.digests.append(name)
        self.asked.append(asyncio.get_running_loop().create_future())
        return LocalPage(PAGE, self.asked[-1])

    async def answers(self, etag: bytes | None) -> None:
        self.asked.pop(0).set_result(etag)
        await steps()


@pytest.mark.parametrize(
    "sent",
    [
        get(),
        get(b"/events"),
        get(b"/api/events/?component=a"),
        get(b"/events", b"User-Agent: u", b"Accept: */*", b"Connection: keep-alive"),
    ],
)
def test_a_head_is_parsed_once(sent: bytes) -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(sent)
        no_parser(connection)
        await connection.send(sent)
        await connection.send(sent)
        first, *others = connection.answers
        assert (first.status, first.body) == (200, PAGE.body.decode())
        assert others == [first, first]
        assert connection.requests == 0
        assert len(connection.wire.writes) == 3
        await connection.hang_up()

    run(scenario)


# Requests with known heads among others, whole and in pieces, alone and pipelined.
ODD = {
    "another page": get(b"/events?component=b"),
    "without its last line end": get()[:-2],
    "with more behind": get() + get()[:20],
    "an empty line before": b"\r\n" + get(),
    "an empty line behind": get() + b"\r\n",
    "bare line feeds": get().replace(b"\r\n", b"\n"),
    "two": get() + get(),
    "before a post": get() + GOOD,
    "a post": GOOD,
    "with a body that looks like a request": get(b"/events", b"Content-Length: 45") + get()[:45],
    "a head with a body": get(b"/events", b"Content-Length: %d" % len(get())),
    "of no bytes": get(b"/events", b"Content-Length: 0"),
    "in chunks": get(b"/events", b"Transfer-Encoding: chunked"),
    "no chunk": get(b"/events", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "expect": get(b"/events", b"Expect: 100-continue"),
    "upgrade": get(b"/events", b"Connection: Upgrade", b"Upgrade: h2c"),
    "has the page": get(b"/events", b"If-None-Match: " + PAGE.etag),
    "has another page": get(b"/events", b'If-None-Match: "x"'),
    "a header twice": get(b"/events", b"X: 1", b"X: 2"),
    "many headers": get(b"/events", *(b"%d:" % number for number in range(140))),
    "elsewhere": get(b"/health"),
    "no such filter": get(b"/events?no=1"),
}
LAST = {
    "close": get(b"/events", b"Connection: close"),
    "http 1.0": get().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "http 1.0 kept alive": get(b"/events", b"Connection: keep-alive").replace(b"/1.1", b"/1.0"),
    "no http": b"GET\r\n\r\n",
}


def talk(pieces: Sequence[bytes], with_heads: bool) -> Wired:
    """Send these pieces one after the other; with `with_heads`, known heads are not parsed."""
    found: list[Wired] = []

    async def scenario() -> None:
        found.append(wired())
        for piece in pieces:
            found[0].protocol.data_received(piece)
            await steps(100)
        await found[0].hang_up()

    def forget(*arguments: object) -> None: ...

    with mock.patch.object(KnownHeads, "add", KnownHeads.add if with_heads else forget):
        run(scenario)
    return found[0]


def assert_same(pieces: Sequence[bytes]) -> None:
    ours, theirs = talk(pieces, with_heads=True), talk(pieces, with_heads=False)
    assert ours.answers == theirs.answers
    assert (ours.closed, ours.requests) == (theirs.closed, theirs.requests)
    assert len(ours.appended) == len(theirs.appended)


@pytest.mark.parametrize("name", ODD | LAST)
def test_each_is_answered_the_same_again(name: str) -> None:
    sent = (ODD | LAST)[name]
    assert_same([get(), sent, sent, get(), get()])


def test_a_known_head_may_be_cut_anywhere() -> None:
    for place in range(1, len(get())):
        assert_same([get(), get()[:place], get()[place:], get()])


@given(
    st.lists(st.sampled_from([get(), get(), *ODD.values(), *LAST.values()]), max_size=6),
    st.lists(st.integers(0, 1_000), max_size=3),
)
def test_known_or_not_each_is_answered_the_same(sent: list[bytes], places: list[int]) -> None:
    assert_same(sent)
    assert_same([get(), get(), *cut(b"".join(sent), places)])


@pytest.mark.parametrize("together", [True, False])
def test_a_body_is_never_taken_for_a_request(together: bool) -> None:
    async def scenario() -> None:
        connection = wired()
        head, body = ODD["a head with a body"], get()
        await connection.send(*([head + body] if together else [head, body]))
        for _ in range(2):
            await connection.send(head)
            connection.protocol.data_received(body)
            await steps()
        assert statuses(connection) == [200] * 3
        await connection.hang_up()

    run(scenario)


def test_a_known_head_is_answered_once_it_has_ended() -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get())
        connection.protocol.data_received(get()[:-4])
        await steps()
        assert len(connection.answers) == 1
        await connection.send(get()[-4:])
        assert statuses(connection) == [200, 200]
        await connection.hang_up()

    run(scenario)


@pytest.mark.parametrize("sent", [LAST["close"], LAST["http 1.0"], ODD["many headers"]])
def test_a_head_that_ends_the_connection_is_not_remembered(sent: bytes) -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(sent)
        assert not known_reads(connection)
        await connection.hang_up()

    run(scenario)


def test_a_head_is_not_taken_for_that_of_a_request_before_it() -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get() + get(b"/events?component=b"))
        for _ in range(2):
            await connection.send(get(b"/health"))
        assert connection.requests == 2
        await connection.hang_up()

    run(scenario)


def test_the_key_of_a_known_head_may_be_revoked() -> None:
    async def scenario() -> None:
        keys = ring_with(KEY)
        keys.principal_of([(b"authorization", KEY.value)])
        connection = wired(keys)
        sent = get(b"/events", b"Authorization: " + KEY.value)
        await connection.send(sent)
        await connection.send(sent)
        keys.add_queue(records(revoked(KEY)))
        await connection.send(sent)
        assert statuses(connection) == [200, 200, 401]
        await connection.hang_up()

    run(scenario)


def test_the_first_key_closes_the_service_to_known_heads() -> None:
    async def scenario() -> None:
        keys = KeyRing("until_first_key")
        keys.add_queue(records())
        connection = wired(keys)
        await connection.send(get())
        keys.add_queue(records(KEY))
        await connection.send(get())
        assert statuses(connection) == [200, 401]
        await connection.hang_up()

    run(scenario)


def test_each_use_of_a_key_is_noted() -> None:
    async def scenario() -> None:
        keys = ring_with(KEY)
        keys.principal_of([(b"authorization", KEY.value)])
        connection = wired(keys)
        for _ in range(3):
            await connection.send(get(b"/events", b"Authorization: " + KEY.value))
            assert keys.take_uses()
        await connection.hang_up()

    run(scenario)


def test_a_relative_date_is_asked_anew_each_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        connection = wired()
        control = Validation(connection)
        for minute in (29_000_000, 29_000_000, 29_000_001):
            monkeypatch.setattr(question, "this_minute", lambda now=minute: now)
            connection.protocol.data_received(get(b"/events?from_date=-1h"))
            await control.answers(PAGE.etag)
        first, again, later = control.digests
        assert first == again != later
        assert statuses(connection) == [200] * 3
        await connection.hang_up()

    run(scenario)


@pytest.mark.parametrize("current", [b'"of another page"', None, ControlUnavailable("away")])
def test_a_page_that_may_not_be_served_is_left_to_fastapi(current: Any) -> None:
    async def scenario() -> None:
        connection = wired()
        answering(connection)
        await connection.send(get())
        connection.pages.current = current
        await connection.send(get())
        assert connection.requests == 1
        connection.pages.page = None
        await connection.send(get())
        assert connection.requests == 2
        connection.pages.page, connection.pages.current = OTHER, OTHER.etag
        await connection.send(get())
        assert connection.requests == 2
        assert connection.answers[-1].body == OTHER.body.decode()
        await connection.hang_up()

    run(scenario)


def test_fastapi_gets_the_request_as_it_was_each_time() -> None:
    async def scenario() -> None:
        connection = wired()
        scopes = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scopes.append({**scope, "headers": list(scope["headers"]), "state": {**scope["state"]}})
            message = await receive()
            assert (message["body"], message["more_body"]) == (b"", False)
            scope["headers"].clear()
            scope["path"], scope["state"]["seen"], scope["more"] = "/", 1, 1
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        connection.protocol.app = app
        for _ in range(3):
            connection.pages.current = None
            known_reads(connection).clear()
            await connection.send(get())  # parsed
            await connection.send(get())  # known, as the same head was taken
            await connection.send(get())
        assert len(scopes) == 9
        assert all(scope == scopes[0] for scope in scopes)
        await connection.hang_up()

    run(scenario)


def test_requests_behind_a_known_one_wait_for_its_answer() -> None:
    async def scenario() -> None:
        connection = wired()
        answering(connection)
        await connection.send(get())
        control = Validation(connection)
        for sent in (get(), get(), GOOD, get(b"/health")):
            connection.protocol.data_received(sent)
        await steps()
        assert len(connection.answers) == 1
        await control.answers(None)  # so FastAPI answers it
        assert connection.requests == 1
        await control.answers(PAGE.etag)
        await connection.send()
        assert statuses(connection) == [200, 204, 200, 202, 204]
        await connection.hang_up()

    run(scenario)


@pytest.mark.parametrize("etag", [PAGE.etag, None])
def test_a_client_that_leaves_meanwhile_is_not_answered(etag: bytes | None) -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get())
        control = Validation(connection)
        connection.protocol.data_received(get())
        await connection.hang_up()
        await control.answers(etag)
        assert len(connection.answers) == 1
        assert not connection.state.tasks

    run(scenario)


def test_a_client_that_closes_its_side_is_answered() -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get())
        control = Validation(connection)
        connection.protocol.data_received(get())
        assert connection.protocol.eof_received()
        await control.answers(PAGE.etag)
        await connection.send()
        assert statuses(connection) == [200, 200]
        assert connection.answers[1].headers["connection"] == "close"
        assert connection.wire.closed
        await connection.hang_up()

    run(scenario)


def test_a_known_head_during_a_stop_is_answered_with_close() -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get())
        control = Validation(connection)
        connection.protocol.data_received(get())
        connection.protocol.shutdown()
        await control.answers(PAGE.etag)
        await connection.send()
        shown = [answer.headers.get("connection") for answer in connection.answers]
        assert shown == [None, "close"]
        assert connection.wire.closed
        await connection.hang_up()

    run(scenario)


def test_a_known_head_after_the_notice_of_a_stop_is_answered_with_close() -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get())
        connection.protocol.announce_close()
        await connection.send(get())
        shown = [answer.headers.get("connection") for answer in connection.answers]
        assert shown == [None, "close"]
        await connection.hang_up()

    run(scenario)


@pytest.mark.parametrize("before", [True, False])
def test_a_client_that_does_not_read_gets_its_page_once_it_does(before: bool) -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get())
        control = Validation(connection)
        if before:
            connection.protocol.pause_writing()
        connection.protocol.data_received(get())
        await steps()
        assert len(control.asked) == (not before)
        if not before:
            connection.protocol.pause_writing()
            await control.answers(PAGE.etag)
        assert len(connection.answers) == 1
        connection.protocol.resume_writing()
        if before:
            await control.answers(PAGE.etag)
        await connection.send()
        assert statuses(connection) == [200, 200]
        assert connection.requests == 0
        await connection.hang_up()

    run(scenario)


def test_a_large_page_is_answered_whole() -> None:
    async def scenario() -> None:
        connection = wired()
        page = CachedPage.of(b"x" * (LARGE_BYTES + 1))
        connection.pages.page, connection.pages.current = page, page.etag
        for _ in range(3):
            await connection.send(get())
        assert [answer.body for answer in connection.answers] == [page.body.decode()] * 3
        assert connection.requests == 0
        await connection.hang_up()

    run(scenario)


def test_a_header_that_is_none_is_never_sent() -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get())
        bad = CachedPage(b"{}", b'"a"\r\nx-more: 1')
        connection.pages.page, connection.pages.current = bad, bad.etag
        connection.protocol.data_received(get())
        await steps()
        assert b"x-more" not in connection.sent
        await connection.hang_up()

    with mock.patch("logging.Logger.error"):  # uvicorn's
        run(scenario)


def test_date_and_lag_are_those_of_the_answer() -> None:
    async def scenario() -> None:
        connection = wired()
        lag = connection.lag
        for number in range(4):
            connection.state.default_headers = [(b"date", b"%d" % number)]
            lag._header = b"activity-lag", b"%d.5" % (number // 2)
            lag._read_at = 1e12
            await connection.send(get())
        shown = [(a.headers["date"], a.headers["activity-lag"]) for a in connection.answers]
        assert shown == [("0", "0.5"), ("1", "0.5"), ("2", "1.5"), ("3", "1.5")]
        await connection.hang_up()

    run(scenario)


def counted(metric: Metric) -> int:
    """Return the sum of the cells of a counter."""
    first = offset(metric)
    return sum(own.cells[first : first + len(combinations(metric))])


def test_each_answer_is_counted_once() -> None:
    def both() -> tuple[int, int]:
        return counted(HTTP_REQUESTS) - before[0], counted(CACHE_REQUESTS) - before[1]

    before = 0, 0
    before = both()

    async def scenario() -> None:
        connection = wired()
        for number in range(1, 4):
            await connection.send(get())
            assert both() == (number, number)
        await connection.send(get(b"/events", b"If-None-Match: *"))
        await connection.send(get(b"/events", b"If-None-Match: *"))
        assert statuses(connection)[3:] == [304, 304]
        assert both() == (5, 5)
        await connection.hang_up()

    run(scenario)


def test_the_access_log_has_each_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(access_log, "every", 1)

    async def scenario() -> None:
        connection = wired()
        with caplog.at_level(logging.INFO):
            for _ in range(3):
                await connection.send(get(b"/api/events?component=a"))
        await connection.hang_up()

    run(scenario)
    shown = [record.getMessage().split(",")[0] for record in caplog.records]
    assert shown == ["GET /api/events 200"] * 3


def test_what_is_remembered_is_bounded() -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get(b"/events", b"X: " + b"x" * MAX_HEAD_BYTES))
        assert not known_reads(connection)
        for number in range(MAX_HEADS + 1):
            await connection.send(get(b"/events", b"X: %d" % number))
        assert len(known_reads(connection)) == 1
        await connection.hang_up()

    run(scenario)
