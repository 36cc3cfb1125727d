"""A page in memory is answered without FastAPI if control allows it; FastAPI answers the rest."""

import asyncio
from collections.abc import Callable

import pytest

from api.query.question import REMEMBERED_BYTES
from api.server.unread_answers import LARGE_BYTES
from storage.errors import ControlUnavailable
from storage.model.cached_page import CachedPage
from tests.support.wired import Wired, run

PAGE = CachedPage.of(b'{"events":[],"next_cursor":null}\n')
EVENT = b'{"component":"a","environment":"b","message":"c"}'
POST = (
    b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(EVENT), EVENT)
)


def get(target: bytes = b"/events?component=a", *headers: bytes, method: bytes = b"GET") -> bytes:
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: x", *headers]
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def wired(page: CachedPage = PAGE) -> Wired:
    """Return a connection of a process that has this page in memory, and knows the Host."""
    found = Wired()
    found.hosts.admits(b"x")
    found.pages.page, found.pages.current = page, page.etag
    return found


def talk(sent: bytes, prepare: Callable[[Wired], object] = lambda wired: None) -> Wired:
    found: list[Wired] = []

    async def scenario() -> None:
        found.append(wired())
        prepare(found[0])
        await found[0].send(sent)
        await found[0].hang_up()

    run(scenario)
    return found[0]


@pytest.mark.parametrize("path", [b"/events", b"/events/", b"/api/events", b"/api/events/"])
def test_a_page_that_is_current_is_answered_without_fastapi(path: bytes) -> None:
    ours = talk(get(path + b"?component=a"))
    assert ours.requests == 0
    assert len(ours.wire.writes) == 1
    [answer] = ours.answers
    assert (answer.status, answer.body) == (200, PAGE.body.decode())
    assert answer.headers == {
        "date": "Tue, 24 Nov 2026 09:00:00 GMT",
        "etag": PAGE.etag.decode(),
        "x-cache": "HIT",
        "activity-lag": "unknown",
        "cache-control": "no-cache",
        "vary": "accept",
        "content-type": "application/json",
        "content-length": str(len(PAGE.body)),
    }


@pytest.mark.parametrize("known", [PAGE.etag, b"W/" + PAGE.etag, b"*", b'"x", ' + PAGE.etag])
def test_who_has_the_page_gets_304(known: bytes) -> None:
    ours = talk(get(b"/events", b"If-None-Match: " + known))
    assert ours.requests == 0
    [answer] = ours.answers
    assert (answer.status, answer.body) == (304, "")
    assert answer.headers["etag"] == PAGE.etag.decode()
    assert "content-type" not in answer.headers


def test_who_has_another_page_gets_this_one() -> None:
    ours = talk(get(b"/events", b'If-None-Match: "another"'))
    assert [(answer.status, answer.body) for answer in ours.answers] == [(200, PAGE.body.decode())]


def not_at_hand(wired: Wired) -> None:
    wired.pages.page = None


def changed(wired: Wired) -> None:
    wired.pages.current = b'"of another page"'


def none_is_current(wired: Wired) -> None:
    wired.pages.current = None


def control_is_away(wired: Wired) -> None:
    wired.pages.current = ControlUnavailable("away")


def bug(wired: Wired) -> None:
    wired.pages.current = TypeError("a bug of ours")


def unknown_host(wired: Wired) -> None:
    wired.hosts.known.clear()


@pytest.mark.parametrize(
    "prepare", [not_at_hand, changed, none_is_current, control_is_away, bug, unknown_host]
)
def test_a_page_that_may_not_be_served_is_left_to_fastapi(
    prepare: Callable[[Wired], object],
) -> None:
    assert talk(get(), prepare).requests == 1


@pytest.mark.parametrize(
    "sent",
    [
        get(method=b"HEAD"),
        get(method=b"DELETE"),
        get(b"/events/x"),
        get(b"/status"),
        get(b"/events?id=019aa5b1-7c11-7d2e-9c55-3d1f0d4b6a10"),
        get(b"/events?no_such=filter"),
        get(b"/events?message=" + b"x" * REMEMBERED_BYTES),
        get(b"/events", b"X-Forwarded-Prefix: /a"),
        get(b"/events", b"Host: y"),
        get(b"/events", b'If-None-Match: "a"', b'If-None-Match: "b"'),
        b"GET /events HTTP/1.0\r\n\r\n",
    ],
)
def test_what_asks_for_something_else_is_left_to_fastapi(sent: bytes) -> None:
    assert talk(sent).requests == 1


def test_answers_come_in_the_order_of_the_requests() -> None:
    async def scenario() -> None:
        connection = wired()
        connection.writes_at_once = False
        await connection.send(get() + POST + get() + get(b"/health") + get())
        for _ in range(100):
            await asyncio.sleep(0)
        assert [answer.status for answer in connection.answers] == [200]
        connection.writes_at_once = True
        connection.goes_on.set()
        await connection.send()
        statuses = [answer.status for answer in connection.answers]
        assert statuses == [200, 202, 200, 200, 200]
        assert connection.requests == 1

    run(scenario)


def test_a_large_page_is_answered_whole() -> None:
    page = CachedPage.of(b"x" * (LARGE_BYTES + 1))

    async def scenario() -> None:
        connection = wired(page)
        await connection.send(get() + get())
        assert connection.requests == 0
        assert [answer.body for answer in connection.answers] == [page.body.decode()] * 2

    run(scenario)


def test_who_closes_after_asking_is_answered_and_the_connection_is_closed() -> None:
    ours = talk(get(b"/events", b"Connection: close"))
    assert (ours.requests, ours.closed) == (0, True)
    assert [(a.status, a.headers["connection"]) for a in ours.answers] == [(200, "close")]


def test_a_client_that_does_not_read_gets_its_page_once_it_does() -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get())
        connection.protocol.pause_writing()
        await connection.send(get())
        assert len(connection.answers) == 1
        connection.protocol.resume_writing()
        await connection.send()
        assert [answer.status for answer in connection.answers] == [200, 200]
        assert connection.requests == 0

    run(scenario)
