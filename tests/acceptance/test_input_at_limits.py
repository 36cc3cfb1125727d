"""Values at their limits are answered; too much is refused within bounded memory and time."""

import gzip
import json
import re
import zlib
from functools import partial
from urllib.parse import quote_from_bytes, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.query import cursors
from storage.model.event import new_id
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
    flood,
    fuzz,
    get,
    mutations,
    post,
    refused,
)
from tests.support.raw_http import Answer, request

_lives = bad_input._lives


# --- values at their limits ---------------------------------------------------------------------


def ask(running: Service, **filters: str | list[str]) -> Answer:
    query = urlencode(filters, doseq=True).encode()
    return refused(running, get(b"/events?" + query), 200, 422)


_EDGES = [
    *("0001-01-01", "01-01-0001", "9999-12-31", "12-31-9999", "0000-01-01", "10000-01-01"),
    *("0001-01-01T00:00+14:00", "9999-12-31T23:59:59.999999999-23:59", "1969-12-31T23:59:59Z"),
    *("000000000", "99999999999", "99999999999.999999999", "100000000000", "-1", "2038-01-19"),
    *("2024-02-29", "2023-02-29", "2016-12-31T23:59:60Z", "2021-04-16T24:00", "4713-01-01 BC"),
    *(
        "infinity",
        "-infinity",
        "now",
        "epoch",
        "٢٠٢١-٠١-٠١",
        "２０２１-01-01",
        "2021-04-16T12:30+0200",
    ),
]


@pytest.mark.parametrize("name", ["from_date", "to_date"])
def test_dates_at_the_ends_of_the_range_are_answered(running: Service, name: str) -> None:
    for order in ("asc", "desc"):
        for text in _EDGES:
            ask(running, **{name: text, "order": order})


@fuzz(100)
@given(st.datetimes(timezones=st.timezones()) | st.dates() | st.integers() | st.floats())
def test_any_date_is_answered(running: Service, date: object) -> None:
    text = date.isoformat() if hasattr(date, "isoformat") else str(date)
    ask(running, from_date=text)
    ask(running, to_date=text, order="asc")


@fuzz(100)
@given(st.integers(0, 2**48 - 1).map(new_id) | st.binary(min_size=16, max_size=16))
@example(new_id(2**48 - 1))
@example(new_id(0))
def test_any_id_as_a_cursor_gives_the_page_after_it_or_is_refused(
    running: Service, raw: bytes
) -> None:
    from uuid import UUID

    cursor = cursors.encode(UUID(bytes=raw))
    for order in ("asc", "desc"):
        ask(running, cursor=cursor, order=order)
    refused(running, get(b"/events/" + str(UUID(bytes=raw)).encode()), 404)


@fuzz(200)
@given(mutations([b"0199a3c0-1111-7222-8333-444455556666"]))
@example(b"0199a3c0%0d%0aLocation:%20http://evil%0d%0aX-Evil:%201")
@example(b"%E2%80%AE0199a3c0\xc2\x85\xe2\x80\xa8Set-Cookie:a=b")
def test_an_id_in_a_path_never_changes_a_header_or_the_path(running: Service, text: bytes) -> None:
    safe = quote_from_bytes(text, safe="%/?#").encode()
    answer = refused(running, get(b"/events/" + safe), 200, 400, 404, 422)
    assert "location" not in answer.headers
    assert answer.status != 200 or b"?" in safe or b"#" in safe or safe.startswith((b"?", b"/"))


def test_the_location_of_an_event_is_its_id_whatever_is_in_it(running: Service) -> None:
    for text in ("\r\nX-Evil: 1", "a\u2028b", "\x7f\x1b[31m", "../../x", "é" * 255):
        body = json.dumps({**EVENT, "component": text, "message": text, "data": {text: text}})
        answer = refused(running, post(body.encode()), 202)
        assert answer.headers["location"] == f"/events/{json.loads(answer.body)['id']}"
        assert re.fullmatch(
            r"/events/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.headers["location"]
        )


_HARD = [
    *("%", "%%%%", "_", "\\", "\\%", "%" * 1000, "_" * 1000, "\\" * 999, "%_" * 500, "a%" * 500),
    *("(a+)+$", "(" * 1000, "[[:alpha:]]*", "^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 1000, "'" * 1000),
    *("'; select pg_sleep(9); --", "%(x)s", "%s%s%n", "{0}", "${jndi:ldap://x}", ":name", "$1"),
    *("İıſK", "ß", "\u0301" * 900, "\U0010ffff", "\ufffe", "\ufeff", "\u202e", "x\x01\x1f\x7f"),
]


@pytest.mark.parametrize("name", ["message", "component", "email", "data.a", "data"])
def test_values_that_are_hard_for_patterns_and_quotes_are_plain_text(
    running: Service, name: str
) -> None:
    with within_bounds(running):
        for text in _HARD:
            ask(running, **{name: text})
        ask(running, **{name: _HARD})


def test_wildcards_in_a_message_filter_stand_for_themselves(running: Service) -> None:
    odd = running.post(**{**EVENT, "message": r"100% of_it \ done"})
    plain = running.post(**{**EVENT, "message": "1000 of-it / done"})
    for event in (odd, plain):
        running.wait_stored(event["id"])
    for text in ("100%", "f_i", "\\", "%", "_", r"% of_it \ "):
        found = {event["id"] for event in running.events(message=text)}
        assert odd["id"] in found
        assert plain["id"] not in found


def test_an_email_is_found_in_any_case_but_only_of_ascii(running: Service) -> None:
    event = running.post(**{**EVENT, "email": "Jo.K@EXAMPLE.com"})
    running.wait_stored(event["id"])
    for email in ("jo.k@example.com", "JO.K@Example.COM", "Jo.K@EXAMPLE.com"):
        assert [found["id"] for found in running.events(email=email)] == [event["id"]]
    assert (
        running.events(email="jo.\u212a@example.com") == []
    )  # the lower case of the Kelvin sign is k


@pytest.mark.parametrize(
    ("pairs", "status"),
    [
        ([("component", f"c{n}") for n in range(50)], 200),
        ([("component", f"c{n}") for n in range(51)], 422),
        ([("message", f"m{n}") for n in range(50)], 200),
        ([("data", f'{{"a":{n}}}') for n in range(50)], 200),
        ([("data.a", str(n)) for n in range(50)], 200),
        ([(f"data.a{n}", "1") for n in range(200)], 200),
        ([(f"data.a{n}", "1") for n in range(201)], 422),
        ([(f"data.a{n // 50}", str(n)) for n in range(200)], 200),
        ([("component", "x" * 1000)], 200),
        ([("component", "x" * 1001)], 422),
        ([("data." + ".".join("a" * 64), "1")], 200),
        ([("data." + ".".join("a" * 65), "1")], 422),
        ([("limit", "00000001000")], 200),
        ([("limit", "9" * 1000)], 422),
        ([("limit", "-9223372036854775809")], 422),
        ([("limit", "1_0")], 422),
        ([("limit", " 7 ")], 200),
    ],
    ids=lambda pairs: f"{len(pairs)}x{pairs[0][0][:9]}" if isinstance(pairs, list) else None,
)
def test_a_query_is_answered_up_to_its_bounds_and_refused_beyond(
    running: Service, pairs: list[tuple[str, str]], status: int
) -> None:
    refused(running, get(b"/events?" + urlencode(pairs).encode()), status)


# --- too much ----------------------------------------------------------------------------------


def test_a_compressed_bomb_is_refused_without_being_inflated(running: Service) -> None:
    zeros = bytes(100 * MIB)
    bombs = {
        b"gzip": (gzip.compress(zeros, 6), 413),
        b"x-gzip": (gzip.compress(zeros[: 9 * MIB], 1), 413),
        b"deflate": (zlib.compress(zeros, 6), 415),
        b"gzip, gzip": (gzip.compress(gzip.compress(zeros, 1), 1), 415),
        b"br": (b"\x1b\xff\xff\xff" * 1000, 415),
        b"identity, gzip": (gzip.compress(zeros[:MIB]), 413),
    }
    del zeros
    with within_bounds(running, 8 * MIB):
        for coding, (bomb, status) in bombs.items():
            refused(running, post(bomb, b"Content-Encoding: " + coding), status)
        refused(running, post(bombs[b"gzip"][0]), 400)


@pytest.mark.parametrize(
    "target", [b"POST /events", b"POST /nowhere", b"GET /events", b"PUT /health"]
)
def test_a_body_of_100_mb_is_not_kept_with_its_length_or_without(
    running: Service, target: bytes
) -> None:
    method, path = target.split()
    before = accepted(running)
    with within_bounds(running):
        head = request(b"", method, path, JSON, b"Content-Length: %d" % (100 * MIB))
        counted = flood(running, [head, *[bytes(MIB)] * 100])
        chunk = b"100000\r\n" + bytes(MIB) + b"\r\n"
        head = request(b"", method, path, JSON, CHUNKED)
        chunked = flood(running, [head, *[chunk] * 100, b"0\r\n\r\n"])
    assert counted.status == chunked.status
    assert accepted(running) == before


def test_chunks_of_one_byte_and_their_extensions_are_bounded(running: Service) -> None:
    body = b"".join(b"1;x=%b\r\n%c\r\n" % (b"y" * 20, byte) for byte in BODY) + b"0\r\n\r\n"
    assert refused(running, request(body, b"POST", b"/events", JSON, CHUNKED), 202)
    with within_bounds(running):
        head = request(b"", b"POST", b"/events", JSON, CHUNKED)
        assert flood(running, [head, b"1;", *[b"x" * MIB] * 50]).status == 431


def test_a_trailer_is_bounded_and_never_read_as_headers(running: Service) -> None:
    chunk = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
    typed = request(chunk + JSON + b"\r\n\r\n", b"POST", b"/events", CHUNKED)
    refused(running, typed, 415)
    refused(running, request(chunk + b"X: 1\r\n\r\n", b"POST", b"/events", JSON, CHUNKED), 202)
    before = accepted(running)
    with within_bounds(running):
        head = request(chunk, b"POST", b"/events", JSON, CHUNKED)
        assert flood(running, [head, *[b"X-Long: %b\r\n" % (b"v" * 8000)] * 10_000]).status == 431
        assert flood(running, [head, b"X-Long: ", *[b"v" * MIB] * 50]).status == 431
    assert accepted(running) == before


def test_headers_without_end_are_not_kept(running: Service) -> None:
    with within_bounds(running):
        start = b"GET /health HTTP/1.1\r\nX: "
        assert flood(running, [start, *[b"v" * MIB] * 50]).status == 431
        assert flood(running, [b"GET /health?", *[b"a&" * (MIB // 2)] * 2]).status == 431
        assert flood(running, [start, b"1\r\n", *[b"a:b\r\n" * 100_000] * 10]).status == 431


_NANS = b"[" + b"NaN," * 50_000 + b"1]" + b"}" * 61


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 100_000, 422),
        (b'{"a":' * 50_000, 422),
        (BODY[:-1] + b',"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 422),
        (BODY[:-1] + b',"data":' + b'{"a":' * 40_000, 422),
        (b"{" + b",".join(b'"%d":1' % n for n in range(1_000_000)) + b"}", 413),
        (b"{" + b",".join(b'"%d":1' % n for n in range(24_000)) + b"}", 422),
        (BODY[:-1] + b',"data":{' + b",".join(b'"%d":1' % n for n in range(24_000)) + b"}}", 202),
        (BODY[:-1] + b',"data":[' + b"1e1," * 65_000 + b"1]}", 422),
        (BODY[:-1] + b',"data":[' + (b"[" * 60 + b"]" * 60 + b",") * 2_000 + b"1e1]}", 202),
        (BODY[:-1] + b',"data":[' + b"0.0001e-4200," * 19_000 + b"1]}", 422),
        (BODY[:-1] + b',"data":' + (b'{"%b":' % (b"k" * 400)) * 60 + _NANS, 422),
        (b'"' * 262_144, 400),
        (b"\\" * 262_144, 400),
        (b" " * 262_144, 400),
        (b'{"a":"' + b'\\"' * 130_000, 400),
        (BODY[:-1] + b',"email":"a@' + b"a-" * 120_000 + b'"}', 422),
    ],
    ids=lambda value: repr(value[:20] + value[50:85])[2:60] if isinstance(value, bytes) else None,
)
def test_bodies_that_are_costly_to_read_block_nobody(
    running: Service, body: bytes, status: int
) -> None:
    with within_bounds(running):
        at_once([partial(flooded, running, body, status)] * 6)


def flooded(running: Service, body: bytes, status: int) -> None:
    answer = flood(running, [post(body)])
    assert answer.status == status
    assert len(answer.body) < 300_000


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_as_many_parameters_as_fit_block_nobody(running: Service, method: bytes) -> None:
    length = [b"Content-Length: 0"] if method == b"POST" else []
    with within_bounds(running):
        for pair in (b"&", b"a&", b"a=%ff&", b"componen=&", b"%41=&"):
            target = b"/events?" + pair * (60_000 // len(pair))
            refused(running, request(b"", method, target, JSON, *length), 200, 400, 422)


@pytest.mark.parametrize(
    "wrong", [b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80"]
)
def test_what_is_not_utf8_is_refused_wherever_it_stands(running: Service, wrong: bytes) -> None:
    escaped = quote_from_bytes(wrong).encode()
    for place in (b"orders", b"message", b"shipped"):
        refused(running, post(BODY.replace(place, b"a" + wrong)), 400)
    refused(running, post(BODY[:-1] + b',"data":{"' + wrong + b'":1}}'), 400)
    refused(running, get(b"/events?component=" + escaped), 422)
    refused(running, get(b"/events?" + escaped + b"=1"), 422)
    refused(running, get(b"/events/" + escaped), 404)
    refused(running, get(b"/" + escaped), 404)
    refused(running, get(b"/events?component=" + wrong), 400, 422)
    refused(running, get(b"/events", b"X-Odd: " + wrong, b"If-None-Match: " + wrong), 200)
    refused(running, post(BODY, b"X-Odd: " + wrong), 202)
