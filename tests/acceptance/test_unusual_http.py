"""Test requests in bytes that no well-behaved client sends."""

import pytest

from testbed.service import Service
from tests.support.problems import document
from tests.support.raw_http import Raw, request
from tests.support.wrong_requests import BODY, JSON, length


@pytest.mark.parametrize(
    "sent",
    [
        b"\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"post /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"BREW /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /events HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        request(BODY, b"POST", b"/events", JSON, b"Content-Length: -1"),
        request(BODY, b"POST", b"/events", JSON, b"Content-Length: +5"),
        request(BODY, b"POST", b"/events", JSON, b"Content-Length: 5x"),
        request(BODY, b"POST", b"/events", JSON, b"Content-Length: 1e3"),
        request(BODY, b"POST", b"/events", JSON, b"Content-Length: " + b"9" * 30),
        request(BODY, b"POST", b"/events", JSON, b"Content-Length: 5", b"Content-Length: 6"),
        request(BODY, b"POST", b"/events", JSON, length(BODY), b"Transfer-Encoding: chunked"),
        request(b"zz\r\n", b"POST", b"/events", JSON, b"Transfer-Encoding: chunked"),
        request(b"", b"GET", b"/health", b"X-Bad\0Name: 1"),
        request(b"", b"GET", b"/health", b"X-Bad: a\0b"),
    ],
    ids=lambda sent: repr(sent)[2:60],
)
def test_a_request_that_is_not_http_is_refused_at_once(running: Service, sent: bytes) -> None:
    with Raw(running) as raw:
        raw.send(sent)
        assert 400 <= raw.answer("GET").status < 500
    assert running.http.get("/health").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        b"/events?" + b"&".join([b"x=1"] * 300),
        b"/events?" + b"a" * 60_000,
        b"/events?data=" + b"[" * 20_000,
        b"/events?%%%=%zz&=&&=",
        b"/events?component=%00",
        b"/events?component=\xc3\xbc",
        b"/" + b"a/" * 30_000,
        b"/events/" + b"%00" * 1_000,
    ],
    ids=lambda path: repr(path)[2:30],
)
def test_an_odd_target_is_refused_and_nothing_breaks(running: Service, path: bytes) -> None:
    with Raw(running) as raw:
        raw.send(request(b"", b"GET", path))
        assert 400 <= raw.answer("GET").status < 500


def test_many_and_long_headers_change_nothing(running: Service) -> None:
    many = [b"X-%d: %s" % (n, b"v" * 100) for n in range(500)]
    with Raw(running) as raw:
        raw.send(request(BODY, b"POST", b"/events", JSON, length(BODY), *many))
        assert raw.answer().status == 202


def test_requests_sent_without_waiting_are_answered_in_order(running: Service) -> None:
    good = request(BODY, b"POST", b"/events", JSON, length(BODY))
    bad = request(b"{", b"POST", b"/events", JSON, b"Content-Length: 1")
    with Raw(running) as raw:
        raw.send((good + bad + request(b"", b"GET", b"/health")) * 5)
        statuses = [raw.answer().status for _ in range(15)]
    assert statuses == [202, 400, 200] * 5


def test_a_client_that_waits_for_100_continue_gets_it(running: Service) -> None:
    with Raw(running) as raw:
        expect = b"Expect: 100-continue"
        raw.send(request(b"", b"POST", b"/events", JSON, length(BODY), expect))
        assert raw.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.send(BODY)
        assert raw.answer().status == 202


def test_a_client_that_waits_for_100_continue_with_too_much_is_refused_before(
    running: Service,
) -> None:
    with Raw(running) as raw:
        expect = b"Expect: 100-continue"
        raw.send(request(b"", b"POST", b"/events", JSON, b"Content-Length: 9999999", expect))
        assert raw.answer().status == 413
        assert raw.is_closed()


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ([JSON, JSON], 202),
        ([JSON, b"Content-Type: text/plain"], 415),
        ([b"Content-Type: text/plain", JSON], 415),
    ],
)
def test_two_content_types_count_only_if_both_are_json(
    running: Service, kinds: list[bytes], status: int
) -> None:
    with Raw(running) as raw:
        raw.send(request(BODY, b"POST", b"/events", *kinds, length(BODY)))
        assert raw.answer().status == status


def test_an_old_client_of_http_1_0_is_answered(running: Service) -> None:
    head = b"POST /events HTTP/1.0\r\n" + JSON + b"\r\n" + length(BODY) + b"\r\n\r\n"
    with Raw(running) as raw:
        raw.send(head + BODY)
        assert raw.answer().status == 202
        assert raw.is_closed()


def test_headers_without_end_are_refused_at_64_kib(running: Service) -> None:
    with Raw(running) as raw:
        raw.send(b"POST /events HTTP/1.1\r\n", *[b"X-Long: %b\r\n" % (b"v" * 8000)] * 1000)
        answer = raw.answer()
        assert answer.status == 431
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("sent", [b"GET /health", b"POST /events"])
@pytest.mark.parametrize("version", [b"2.0", b"0.9"])
def test_another_version_of_http_gets_the_list_of_supported_ones(
    running: Service, sent: bytes, version: bytes
) -> None:
    whole = request(BODY, *sent.split(), JSON, length(BODY))
    with Raw(running) as raw:
        raw.send(whole.replace(b"HTTP/1.1", b"HTTP/" + version))
        answer = raw.answer()
        document(answer.status, answer.headers, answer.body, 505)
        assert raw.is_closed()


def test_options_of_the_whole_server_are_every_method(running: Service) -> None:
    with Raw(running) as raw:
        raw.send(request(b"", b"OPTIONS", b"*"))
        answer = raw.answer()
    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, POST, DELETE, OPTIONS")


@pytest.mark.parametrize("wanted", ["bytes=0-3", "bytes=9-1", "bytes=999999999-", "x", "bytes=a-b"])
def test_a_range_of_a_page_is_ignored(running: Service, wanted: str) -> None:
    whole = running.http.get("/docs/docs.js")
    part = running.http.get("/docs/docs.js", headers={"range": wanted})
    assert (part.status_code, part.content) == (200, whole.content)
