"""Send anything, in any pieces: there is never an internal error, a hang, or unbounded memory.

No event is accepted in part: `talk` compares the queue's counters with the answers.
"""

import json
import re
from functools import partial
from urllib.parse import quote_from_bytes, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from testbed.service import Service
from tests.support import bad_input
from tests.support.bad_input import CHUNKED, MIB
from tests.support.bounds import within_bounds
from tests.support.hostile import (
    BODY,
    EVENT,
    JSON,
    accepted,
    at_once,
    drip,
    fuzz,
    get,
    idle,
    json_of_any_shape,
    mutations,
    pipelined,
    post,
    refused,
    talk,
    words,
)
from tests.support.raw_http import Raw, request

hasty = bad_input.hasty
_lives = bad_input._lives


# --- any body, any header, any query -----------------------------------------------------------


@fuzz(150)
@given(st.binary(max_size=300))
def test_any_bytes_for_a_body_are_answered(running: Service, body: bytes) -> None:
    assert talk(running, post(body))[-1].status == 200


@fuzz(250)
@given(json_of_any_shape)
@example(json.dumps({**EVENT, "data": [0.0, -0.0, 1e308]}).encode())
def test_json_of_any_shape_for_a_body_is_answered(running: Service, body: bytes) -> None:
    assert talk(running, post(body))[0].status in (202, 400, 422)


@fuzz(300)
@given(mutations([json.dumps({**EVENT, "email": "jo@example.com", "data": {"a": [1]}}).encode()]))
def test_a_good_event_that_was_garbled_is_accepted_as_a_whole_or_not_at_all(
    running: Service, body: bytes
) -> None:
    answer = talk(running, post(body))[0]
    assert answer.status in (202, 400, 422)
    if answer.status == 202:
        kept = json.loads(answer.body)
        sent = {"email": None, "data": None, **json.loads(body)}
        assert {name: kept[name] for name in sent} == sent


@fuzz(200)
@given(mutations([post(BODY) + get(b"/events?limit=1"), get(b"/health") + post(BODY)]))
def test_garbled_requests_are_answered_in_order_or_time_out(hasty: Service, sent: bytes) -> None:
    talk(hasty, sent)


_NAMES = st.sampled_from(
    b"Content-Length Content-Type Content-Encoding Transfer-Encoding Expect Connection Upgrade "
    b"Host If-None-Match Range Accept-Encoding Accept Cookie Origin TE Trailer "
    b"X-HTTP-Method-Override X-Forwarded-For Forwarded Authorization Location X".split()
) | st.binary(min_size=1, max_size=8)
_VALUES = st.sampled_from(
    [
        *(b"", b" ", b"0", b"5", b"-1", b"chunked", b"gzip, chunked", b"identity", b"gzip", b"*"),
        *(b"application/json", b"100-continue", b"close", b"upgrade", b"websocket", b"h2c"),
        *(b'W/"', b'"', b"bytes=0-", b"a" * 9000, b"\xff\xfe", b"\xc3\xbc", b"\t", b"a,b;q=0"),
    ]
) | st.binary(max_size=30)


@fuzz(200)
@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=6))
@example([(b"Connection", b"Upgrade, HTTP2-Settings"), (b"Upgrade", b"h2c")])
@example([(b"X" * 1000, b"v" * 50)] * 50)
@example([(b"If-None-Match", b'"' * 1000), (b"Host", b"a\xffb"), (b"Host", b"")])
def test_any_headers_are_answered(hasty: Service, headers: list[tuple[bytes, bytes]]) -> None:
    lines = [name + b": " + value for name, value in headers]
    talk(hasty, get(b"/events?limit=1", *lines))
    talk(hasty, post(BODY, *lines))


_GOOD_QUERIES = [
    b"component=a&environment=b&email=jo%40example.com&message=100%25+of&limit=5&order=asc",
    b"data=%7B%22a%22%3A1%7D&data.user.id=7&from_date=04-16-2021&to_date=2021-04-16T12:30Z",
    b"cursor=AZmjwBERciKDM0RERVVmZg&component=%C3%BC&component=b&from_date=1618576200.5",
]


@fuzz(300)
@given(mutations(_GOOD_QUERIES))
@example(b"data=" + quote_from_bytes(b'{"a":1e131072,"a":0e99999}').encode())
@example(b"component=%ed%a0%80&message=%f0%9f%98&%ff=%ff")
def test_any_query_is_answered_or_refused(running: Service, query: bytes) -> None:
    plain = re.sub(rb"[\x00-\x20\x7f]", lambda found: b"%%%02x" % found[0][0], query)
    assert refused(running, get(b"/events?" + plain), 200, 400, 422)


@fuzz(200)
@given(st.lists(st.tuples(words(30), words(30)), max_size=8))
def test_any_text_in_a_query_is_answered_or_refused(
    running: Service, pairs: list[tuple[str, str]]
) -> None:
    query = urlencode(pairs, errors="surrogatepass").encode()
    assert refused(running, get(b"/events?" + query), 200, 422)


# --- connections -------------------------------------------------------------------------------


def test_500_idle_connections_block_nobody_and_can_still_send_a_request(running: Service) -> None:
    with within_bounds(running):
        silent = idle(running, 500)
        running.post(**EVENT)
        for connection in silent:
            connection.sendall(get(b"/health"))
        for connection in silent:
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
            connection.close()


def test_requests_without_end_and_without_waiting_are_all_answered_in_bounds(
    running: Service,
) -> None:
    with within_bounds(running, 16 * MIB):
        assert pipelined(running, get(b"/health"), 20_000) == 20_000


def test_a_client_that_sends_requests_and_never_reads_takes_bounded_memory(
    running: Service,
) -> None:
    with within_bounds(running, 16 * MIB), Raw(running) as raw:
        raw.socket.settimeout(2)
        with pytest.raises(TimeoutError):
            raw.socket.sendall(get(b"/openapi.json") * 500_000)


def test_a_good_event_before_garbage_gets_its_own_answer_first(running: Service) -> None:
    for garbage in (b"\0\0\r\n\r\n", b"GET\r\n\r\n", b"X: " + b"v" * 70_000):
        statuses = [answer.status for answer in talk(running, post(BODY) * 3 + garbage)]
        assert statuses[:3] == [202] * 3
        assert statuses[3:] in ([400], [431])


def test_a_request_to_upgrade_is_answered_in_http_1_1_and_so_is_the_next(running: Service) -> None:
    h2c = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    websocket = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
    for headers in (h2c, websocket):
        sent = post(BODY, *headers) + get(b"/health", *headers) + post(BODY)
        assert [answer.status for answer in talk(running, sent)] == [202, 200, 202, 200]
    with Raw(running) as raw:
        for _ in range(2):
            raw.send(post(BODY, *h2c))
            assert raw.answer().status == 202


_DRIPPING = [
    (b"", b"\r\n", 408),
    (b"G", b"E", 400),
    (b"GET /", b"a", 408),
    (b"GET / HTTP/1.1\r\nX: ", b"a", 408),
    (b"GET / HTTP/1.1\r\n", b"a:b\r\n", 408),
    (request(b"", b"POST", b"/events", JSON, b"Content-Length: 9999"), b" ", 408),
    (request(b"", b"POST", b"/events", JSON, CHUNKED), b"1\r\n \r\n", 408),
    (request(b"1;", b"POST", b"/events", JSON, CHUNKED), b"x", 408),
    (request(b"0\r\n", b"POST", b"/events", JSON, CHUNKED), b"a:b\r\n", 408),
    (request(b"", b"POST", b"/events", b"Content-Length: 999999"), b" ", 413),
    # A body that the service does not read, because the answer does not depend on it:
    (request(b"", b"GET", b"/health", b"Content-Length: 9999"), b" ", 200),
    (request(b"", b"POST", b"/nowhere", CHUNKED), b"1\r\n \r\n", 404),
    (request(b"0\r\n", b"GET", b"/health", CHUNKED), b"a:b\r\n", 200),
    (get(b"/health") + b"GET /", b"a", 200),
]


def test_a_request_that_arrives_in_drops_times_out(hasty: Service) -> None:
    before = accepted(hasty)
    with within_bounds(hasty):
        at_once([partial(given_up, hasty, *dripping) for dripping in _DRIPPING])
    assert accepted(hasty) == before


def given_up(hasty: Service, sent: bytes, drop: bytes, status: int) -> None:
    said = drip(hasty, sent, drop, seconds=60)
    assert said.startswith(b"HTTP/1.1 %d " % status), (sent, said)
