"""Requests that the fast path for posts takes or leaves, and connections that send them."""

import gzip
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from unittest import mock

import pytest

from api.http import request_body
from tests.support.hostile import JSON
from tests.support.raw_http import request
from tests.support.wired import EVENT_BYTES, Wired, run, steps

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


def talk(
    pieces: Sequence[bytes], with_fast_path: bool = True, *, one_by_one: bool = False
) -> Wired:
    """Send these pieces on one connection, and return it.

    `one_by_one`: give the service time to answer between them.
    """
    found: list[Wired] = []

    async def scenario() -> None:
        found.append(Wired(with_fast_path))
        for piece in pieces:
            found[0].protocol.data_received(piece)
            await steps(200 if one_by_one else 0)
        await found[0].send()
        await found[0].hang_up()

    run(scenario)
    return found[0]


def assert_same(pieces: Sequence[bytes], *, one_by_one: bool = False) -> Wired:
    """Assert that both ways answer, append and close in the same way."""
    ours = talk(pieces, one_by_one=one_by_one)
    theirs = talk(pieces, with_fast_path=False, one_by_one=one_by_one)
    assert ours.answers == theirs.answers
    assert ours.sent.count(CONTINUE) == theirs.sent.count(CONTINUE)
    assert (len(ours.appended), ours.closed) == (len(theirs.appended), theirs.closed)
    return ours


def under_way(wired: Wired) -> None:
    """Let the queue not answer before `goes_on` is set."""
    wired.writes_at_once = False


async def goes_on(wired: Wired, *sent: bytes) -> None:
    wired.writes_at_once = True
    wired.goes_on.set()
    await wired.send(*sent)
