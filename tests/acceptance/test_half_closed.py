"""Close the client's sending side after the request, as `nc -N` does: the client is answered."""

import gzip
import socket

import pytest

from testbed.service import Service
from testbed.waiting import wait_until
from tests.support.bounds import connections
from tests.support.hostile import BODY, JSON, get, post
from tests.support.problems import document
from tests.support.raw_http import Raw, request

NDJSON = b"Content-Type: application/x-ndjson"
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
ZIPPED = gzip.compress(BODY, mtime=0)
LOGS = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a"}}]}]}]}'


def sized(body: bytes, path: bytes, *headers: bytes) -> bytes:
    return request(body, b"POST", path, *headers, b"Content-Length: %d" % len(body))


WHOLE = {
    "fast path": (post(BODY), [202]),
    "ordinary cycle": (sized(BODY, b"/events?ack=queued", JSON), [202]),
    "waits for the commit": (sized(BODY, b"/events?ack=stored", JSON), [201]),
    "idempotent": (post(BODY, b"Idempotency-Key: half-closed"), [202]),
    "gzip": (sized(ZIPPED, b"/events", JSON, b"Content-Encoding: gzip"), [202]),
    "chunked": (request(CHUNKS, b"POST", b"/events", JSON, CHUNKED), [202]),
    "batch": (sized(BODY + b"\n" + BODY, b"/events/batch", NDJSON), [202]),
    "chunked batch": (request(CHUNKS, b"POST", b"/events/batch", NDJSON, CHUNKED), [202]),
    "logs": (sized(LOGS, b"/v1/logs", JSON), [200]),
    "page": (get(b"/events?limit=1"), [200]),
    "health": (get(b"/health"), [200]),
    "http 1.0": (post(BODY).replace(b"HTTP/1.1", b"HTTP/1.0"), [202]),
    "wrong": (post(b"{"), [400]),
    "pipelined": (post(BODY) * 30 + get(b"/health") + post(b"{") + post(BODY), None),
}
UNFINISHED = {
    "head": b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Le",
    "line": b"GET /hea",
    "body": post(BODY)[:-1],
    "body of the ordinary cycle": sized(BODY, b"/events?ack=queued", JSON)[:-1],
    "chunks": request(CHUNKS[:-1], b"POST", b"/events", JSON, CHUNKED),
    "batch": sized(BODY * 9, b"/events/batch", NDJSON)[:-1],
    "logs": sized(LOGS, b"/v1/logs", JSON)[:-1],
}


def half_closed(running: Service, *sent: bytes) -> Raw:
    """Return a connection on which these bytes were sent and the sending side is closed."""
    raw = Raw(running)
    raw.send(*sent)
    raw.socket.shutdown(socket.SHUT_WR)
    return raw


@pytest.mark.parametrize("sent", WHOLE.values(), ids=WHOLE)
def test_a_client_that_closes_its_sending_side_is_answered_and_then_disconnected(
    running: Service, sent: tuple[bytes, list[int] | None]
) -> None:
    requests, statuses = sent
    statuses = statuses or [202] * 30 + [200, 400, 202]
    with half_closed(running, requests) as raw:
        assert [raw.answer().status for _ in statuses] == statuses
        assert raw.is_closed()


@pytest.mark.parametrize("before", [b"", post(BODY), get(b"/events?limit=1") + post(BODY)])
@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
def test_a_request_that_ends_in_the_middle_is_refused_at_once(
    running: Service, sent: bytes, before: bytes
) -> None:
    with half_closed(running, before, sent) as raw:
        for _ in range(before.count(b"HTTP/1.1")):
            assert raw.answer().status in (200, 202)
        answer = raw.answer()
        told = document(answer.status, answer.headers, answer.body, 400)
        assert "ends before" in told["detail"]
        assert raw.is_closed()


def test_a_client_that_sends_nothing_and_closes_its_side_is_disconnected(running: Service) -> None:
    with half_closed(running) as raw:
        assert raw.is_closed()
    with Raw(running) as raw:
        raw.send(get(b"/health"))
        assert raw.answer().status == 200
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.is_closed()


def test_clients_that_ask_and_leave_at_once_leave_no_connection_behind(running: Service) -> None:
    before = connections(running)
    asked = [*(sent for sent, _ in WHOLE.values()), *UNFINISHED.values()]
    for sent in asked:
        with half_closed(running, sent):
            pass  # closes without reading

    def gone() -> bool:
        return connections(running) <= before

    wait_until(gone, "the service to close every connection", 60)
