"""A read whose head came before is not parsed again, and answered as if it were."""

from collections.abc import Sequence
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth.key_ring import KeyRing
from api.query import question
from api.server.known_heads import KnownHeads
from tests.support import fast_path_posts
from tests.support.fast_path_posts import GOOD, cut
from tests.support.keys import records, revoked, ring_with
from tests.support.known_reads import (
    KEY,
    PAGE,
    Validation,
    get,
    known_reads,
    no_parser,
    statuses,
    wired,
)
from tests.support.wired import Wired, run, steps

_no_lingering = fast_path_posts._no_lingering


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
