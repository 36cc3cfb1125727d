"""A CloudEvent in binary mode: headers are decoded, and each fault is told by its header."""

from decimal import Decimal
from typing import Any

import pytest

from api.formats.cloudevents.binary import BINARY_HEADERS, is_binary, map_binary
from api.http.problems import Problem
from tests.support.cloudevents import BINARY, GOOD, JSON, LIMIT, data_of, headers, named, refused


@pytest.mark.parametrize(
    ("content_type", "body", "member"),
    [
        (b"application/json", b'{"n":1.2300}', {"data": {"n": Decimal("1.2300")}}),
        (b"application/json; charset=utf-8", b"null", {"data": None}),
        (b"text/JSON", b'"x"', {"data": "x"}),
        (b"application/vnd.x+json;v=1", b"[1]", {"data": [1]}),
        (b"text/plain", "grüße".encode(), {"data": "grüße"}),
        (b"application/xml", b'<much wow="xml"/>', {"data": '<much wow="xml"/>'}),
        (b"image/svg+xml", b"<svg/>", {"data": "<svg/>"}),
        (b'application/x; charset="UTF-8"', b"x", {"data": "x"}),
        (b"text/plain; charset=latin-1", b"gr\xfc\xdfe", {"data_base64": "Z3L832U="}),
        (b"text/plain", b"gr\xfc\xdfe", {"data_base64": "Z3L832U="}),
        (b"text/plain", b"a\0", {"data_base64": "YQA="}),
        (b"application/octet-stream", b"abc", {"data_base64": "YWJj"}),
        (None, b'{ "xyz": 123 }', {"data_base64": "eyAieHl6IjogMTIzIH0="}),
        (b"application/json", b"", {}),
        (None, b"", {}),
    ],
)
def test_the_body_becomes_the_member_that_the_json_format_says(
    content_type: bytes | None, body: bytes, member: dict[str, Any]
) -> None:
    sent = headers() if content_type is None else headers((b"content-type", content_type))
    event = map_binary(sent, body).validate(LIMIT)
    typed = {"datacontenttype": content_type.decode()} if content_type else {}
    assert data_of(event) == {**GOOD, **typed, **member}


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (b"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        (b"%e2%82%ac", "€"),
        (b"%41bc", "Abc"),
        (b"a%2520b", "a%20b"),
        (b'"a b"', "a b"),
        (rb'"a\"b\\c%20d"', 'a"b\\c d'),
        (b"not encoded", "not encoded"),
        (b"a+b", "a+b"),
        (b' a"b ', 'a"b'),
    ],
)
def test_a_headers_value_is_unquoted_and_then_percent_decoded_once(
    value: bytes, meant: str
) -> None:
    event = map_binary(headers((b"ce-subject", value)), b"").validate(LIMIT)
    assert event.message == data_of(event)["subject"] == meant


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (b"%C0%A0", "is percent-encoded, but not as UTF-8"),
        (b"%ED%A0%80", "is percent-encoded, but not as UTF-8"),
        (b"50%", "has a % without two hexadecimal digits behind it; % itself is %25"),
        (b"%4x", "has a % without two hexadecimal digits behind it; % itself is %25"),
        ("€".encode(), "must be printable ASCII: other characters are percent-encoded UTF-8"),
        (b"a\x7fb", "must be printable ASCII: other characters are percent-encoded UTF-8"),
        (b'"a', "has a quoted string that does not end where the value does"),
        (b'"a" b', "has a quoted string that does not end where the value does"),
        (b'"a\\"', "has a quoted string that does not end where the value does"),
        (b"a%00b", "contains a NUL character, which can't be stored"),
        (b"", "must not be empty"),
    ],
)
def test_a_header_that_cannot_be_decoded_is_named(value: bytes, fault: str) -> None:
    assert named(headers((b"ce-subject", value))) == {"ce-subject": fault}


def test_a_header_that_cannot_be_decoded_is_wrong_in_one_way_only() -> None:
    sent = headers((b"ce-specversion", b"%"), without="specversion")
    assert len(refused(map_binary(sent, b"")).faults) == 1


def test_what_is_wrong_with_headers_is_told_by_their_names() -> None:
    sent = [
        (b"ce-specversion", b"0.3"),
        (b"ce-id", b"%"),
        (b"ce-type", b"t"),
        (b"ce-type", b"t"),
        (b"ce-time", b"yesterday"),
        (b"ce-data", b"x"),
        (b"ce-datacontenttype", b"text/plain"),
        (b"ce-my_ext", b"x"),
        (b"ce-", b"x"),
        (b"ce-email", b"jo@"),
        (b"content-type", b"nonsense"),
    ]
    assert named(sent) == {
        "ce-id": "has a % without two hexadecimal digits behind it; % itself is %25",
        "ce-type": "is given more than once",
        "ce-data": "is not an attribute: data is sent as the body",
        "ce-datacontenttype": "must be sent as Content-Type instead",
        "ce-source": "is required",
        "ce-specversion": "must be 1.0, the only supported version",
        "ce-time": "is not a time of RFC 3339, such as 2026-04-16T12:30:00Z",
        "ce-my_ext": "is not an attribute's name: only the letters a-z and digits are allowed",
        "ce-": "is not an attribute's name: only the letters a-z and digits are allowed",
        "ce-email": "is not an e-mail address, such as jo@example.com",
        "content-type": "is not a media type (RFC 2046), such as application/json",
    }
    twice = headers((b"content-type", b"text/plain"), (b"content-type", b"text/plain"))
    assert named(twice) == {"content-type": "is given more than once"}


def test_what_is_wrong_with_the_body_is_told_by_pointers_into_it() -> None:
    sent = headers(JSON, (b"ce-type", b"x" * 256), without="type")
    assert named(sent, b'{"a":["\\u0000",1e999]}') == {
        "ce-type": "as the event's component: string should have at most 255 characters",
        "pointer /a/0": "contains a NUL character, which can't be stored",
        "pointer /a/1": "overflows: it is infinite as a 64-bit float",
    }
    assert named(headers(JSON), b"NaN") == {"pointer ": "NaN is not a JSON number"}


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b'{"a":1},"component":"x"', 400, "Extra data at line 1, column 8"),
        (b"{\n 'a':1}", 400, "line 2, column 2"),
        (b'"\xff"', 400, "not UTF-8: byte 1"),
        (b" ", 400, "Expecting value"),
        (b"[" * 64 + b"]" * 64, 422, "1 thing is wrong"),
        (b"[" * 200_000, 422, "1 thing is wrong"),
    ],
)
def test_a_body_that_is_not_the_json_it_says_it_is_is_refused_where_it_is_wrong(
    body: bytes, status: int, detail: str
) -> None:
    with pytest.raises(Problem) as caught:
        map_binary(headers(JSON), body)
    assert caught.value.status == status
    assert detail in caught.value.detail


def test_a_request_is_in_binary_mode_when_it_has_a_required_attribute() -> None:
    assert {name for name, _ in BINARY} == BINARY_HEADERS
    assert all(is_binary([(name, b"")]) for name in BINARY_HEADERS)
    assert not is_binary([(b"ce-time", b""), (b"content-type", b"x"), (b"x-ce-id", b"")])
