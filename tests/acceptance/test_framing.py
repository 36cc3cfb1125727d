"""Require a certain end of each request; else two servers in a row read different requests.

RFC 9112, 6: a request that the service can't frame is refused, and the connection closes.
"""

import pytest

from testbed.service import Service
from tests.support.hostile import BODY, JSON
from tests.support.problems import document
from tests.support.raw_http import Raw, request

LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
PATHS = (b"/events", b"/events/batch", b"/v1/logs", b"/nowhere")

CODINGS = [
    (501, b"Transfer-Encoding: gzip, chunked"),
    (501, b"Transfer-Encoding: gzip,chunked"),
    (501, b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"),
    (501, b"Transfer-Encoding: identity, chunked"),
    (501, b"Transfer-Encoding: x, chunked"),
    (400, b"Transfer-Encoding: chunked, chunked"),
    (400, b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    (400, b"Transfer-Encoding: chunked, gzip"),
    (400, b"Transfer-Encoding: gzip"),
    (400, b"Transfer-Encoding: identity"),
    (400, b"Transfer-Encoding: xchunked"),
    (400, b"Transfer-Encoding: chunked;q=1"),
    (400, b'Transfer-Encoding: "chunked"'),
    (400, b"Transfer-Encoding:"),
    (400, b"Transfer-Encoding: ,"),
    (400, b"Transfer-Encoding: \x0bchunked"),
    (400, b"Transfer-Encoding : chunked"),
    (400, b"Transfer-Encoding\t: chunked"),
    (400, b" Transfer-Encoding: chunked"),
    (400, b"X: y\r\n Transfer-Encoding: chunked"),
]
LENGTHS = [
    b"Transfer-Encoding: chunked\r\n" + LENGTH,
    LENGTH + b"\r\nTransfer-Encoding: chunked",
    LENGTH + b"\r\nTransfer-Encoding: gzip, chunked",
    LENGTH + b"\r\nTransfer-Encoding: x",
    LENGTH + b"\r\n" + LENGTH,
    LENGTH + b"\r\nContent-Length: 1",
    b"Content-Length: %d, %d" % (len(BODY), len(BODY)),
    b"Content-Length: +%d" % len(BODY),
    b"Content-Length: -1",
    b"Content-Length: 0x10",
    b"Content-Length: 1_0",
    b"Content-Length: 1 0",
    b"Content-Length:",
    b"Content-Length: 99999999999999999999999",
    b"Content-Length : %d" % len(BODY),
]
TAKEN = [
    b"Transfer-Encoding: chunked",
    b"transfer-encoding: Chunked",
    b"TRANSFER-ENCODING:chunked",
]


def refused(running: Service, sent: bytes, status: int) -> None:
    """Require one answer with the reason; then the connection closes, and nothing was accepted."""
    with Raw(running) as raw:
        raw.send(sent)
        answer = raw.answer()
        assert answer.status == status, answer
        assert answer.headers["connection"] == "close"
        told = document(answer.status, answer.headers, answer.body, status)
        assert "Transfer-Encoding: chunked" in told["detail"], told
        assert raw.is_closed()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("status", "coding"), CODINGS)
def test_a_transfer_coding_other_than_chunked_is_refused_and_its_body_never_used(
    running: Service, status: int, coding: bytes, path: bytes
) -> None:
    refused(running, request(CHUNKS, b"POST", path, JSON, coding), status)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("lengths", LENGTHS)
def test_a_body_of_two_lengths_or_an_odd_one_is_refused(
    running: Service, lengths: bytes, path: bytes
) -> None:
    refused(running, request(BODY, b"POST", path, JSON, lengths), 400)


@pytest.mark.parametrize("coding", TAKEN + [coding for _, coding in CODINGS[:6]])
def test_chunks_of_http_1_0_are_refused(running: Service, coding: bytes) -> None:
    sent = request(CHUNKS, b"POST", b"/events", JSON, coding).replace(b"HTTP/1.1", b"HTTP/1.0")
    refused(running, sent, 400)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE"])
def test_the_host_check_is_the_same_for_every_method(running: Service, method: bytes) -> None:
    refused_of = request(CHUNKS, method, b"/events", b"Transfer-Encoding: gzip, chunked")
    refused(running, refused_of, 501)


@pytest.mark.parametrize("coding", TAKEN)
def test_chunks_are_accepted_in_any_notation_of_the_standard(
    running: Service, coding: bytes
) -> None:
    with Raw(running) as raw:
        for _ in range(2):
            raw.send(request(CHUNKS, b"POST", b"/events", JSON, coding))
            assert raw.answer().status == 202


def test_a_request_before_one_that_is_refused_is_answered_and_one_behind_it_never_read(
    running: Service,
) -> None:
    good = request(BODY, b"POST", b"/events", JSON, LENGTH)
    bad = request(CHUNKS, b"POST", b"/events", JSON, b"Transfer-Encoding: gzip, chunked")
    with Raw(running) as raw:
        raw.send(good + bad + good)
        assert [raw.answer().status for _ in range(2)] == [202, 501]
        assert raw.is_closed()
