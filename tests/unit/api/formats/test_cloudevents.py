"""A CloudEvent becomes an event with the whole of it in `data`, or every fault is told in place."""

import base64
import json
import string
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.formats.cloudevents.binary import BINARY_HEADERS, is_binary, map_binary
from api.formats.cloudevents.mapping import MappedEvent
from api.formats.cloudevents.structured import map_structured
from api.formats.native_fast import EventIn
from api.formats.validation_problem import MAX_ERRORS
from api.http.problems import Problem

LIMIT = 256 * 1024
GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "A234-1234-1234",
    "source": "/mycontext",
    "type": "com.example.someevent",
}
BINARY = [(f"ce-{name}".encode(), value.encode()) for name, value in GOOD.items()]
JSON = (b"content-type", b"application/json")


def text(**changes: Any) -> bytes:
    """A CloudEvent in JSON; what is None is left out."""
    event = {**GOOD, **changes}
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


def headers(*more: tuple[bytes, bytes], without: str = "") -> list[tuple[bytes, bytes]]:
    """A CloudEvent's headers."""
    return [header for header in BINARY if header[0] != f"ce-{without}".encode()] + list(more)


def refused(mapped: MappedEvent, limit: int = LIMIT) -> Problem:
    with pytest.raises(Problem) as caught:
        mapped.validate(limit)
    return caught.value


def pointers(sent: bytes) -> dict[str | None, str]:
    """What is wrong with a structured one, by place."""
    problem = refused(map_structured(sent))
    assert problem.status == 422
    return {fault.pointer: fault.detail for fault in problem.faults}


def named(sent: list[tuple[bytes, bytes]], body: bytes = b"") -> dict[str | None, str]:
    """What is wrong with one in binary mode, by header."""
    problem = refused(map_binary(sent, body))
    assert problem.status == 422
    return {fault.header or f"pointer {fault.pointer}": fault.detail for fault in problem.faults}


def verdict(event: Callable[[], EventIn]) -> EventIn | Problem:
    """What is made of it."""
    try:
        return event()
    except Problem as problem:
        return problem


def data_of(event: EventIn) -> Any:
    return json.loads(bytes(event.data), parse_float=Decimal)


# --- the mapping -------------------------------------------------------------------------------


def test_an_event_without_extensions_is_taken_from_what_every_cloudevent_has() -> None:
    event = map_structured(text()).validate(LIMIT)
    assert (event.component, event.environment, event.message, event.email) == (
        "com.example.someevent",
        "/mycontext",
        "com.example.someevent",
        None,
    )
    assert data_of(event) == GOOD
    assert map_structured(text(subject="cat.png")).validate(LIMIT).message == "cat.png"


def test_extensions_come_first_in_both_modes() -> None:
    own = {"component": "c", "environment": "e", "message": "m", "email": "jo@example.com"}
    extra = [(f"ce-{name}".encode(), value.encode()) for name, value in own.items()]
    for event in (
        map_structured(text(**own, subject="s")).validate(LIMIT),
        map_binary(headers((b"ce-subject", b"s"), *extra), b"").validate(LIMIT),
    ):
        assert [event.component, event.environment, event.message, event.email] == [*own.values()]
        assert data_of(event) == {**GOOD, **own, "subject": "s"}


def test_a_blank_extension_is_as_if_it_were_not_there() -> None:
    sent = text(component=" ", environment="", message="\t", email="", subject=" ")
    event = map_structured(sent).validate(LIMIT)
    assert event.component == event.message == GOOD["type"]
    assert event.environment == GOOD["source"]
    assert event.email is None
    assert data_of(event) == json.loads(sent)


def test_an_attribute_is_the_same_in_every_mode_whatever_its_type() -> None:
    for value, spelt in ((5, "5"), (True, "true"), (-(2**31), "-2147483648"), (False, "false")):
        extra = (b"ce-component", spelt.encode())
        event = map_structured(text(component=value)).validate(LIMIT)
        assert event.component == map_binary(headers(extra), b"").validate(LIMIT).component == spelt
        assert data_of(event)["component"] == value


def test_structured_data_is_the_very_text_that_was_sent() -> None:
    sent = text()[:-1] + b' , "data" : {"n":1.2300, "big":123456789012345678901234567890,"n":1} }\n'
    assert bytes(map_structured(sent).validate(LIMIT).data) == sent.rstrip()
    assert map_structured(text(subject=None) + b" ").validate(LIMIT)


def test_null_is_an_attribute_that_is_not_set() -> None:
    sent = json.dumps({**GOOD, "subject": None, "time": None, "component": None}).encode()
    assert map_structured(sent).validate(LIMIT).component == GOOD["type"]


# --- binary mode -------------------------------------------------------------------------------


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


# --- what is wrong with structured ones --------------------------------------------------------


def test_every_fault_of_a_structured_one_is_told_in_its_place() -> None:
    sent = json.dumps(
        {
            "specversion": "2.0",
            "id": "",
            "source": 5,
            "subject": ["s"],
            "time": "2026-02-30T00:00:00Z",
            "datacontenttype": "json",
            "dataschema": "",
            "Upper": "x",
            "a/b": "x",
            "listed": [1],
            "half": 1.5,
            "large": 2**31,
            "email": "jo@",
            "message": "\0",
            "data": {"x": "\0"},
            "data_base64": "%",
        }
    ).encode()
    assert pointers(sent) == {
        "/type": "is required",
        "/specversion": "must be 1.0, the only supported version",
        "/id": "must not be empty",
        "/source": "must be a string",
        "/subject": "must be a string",
        "/time": "is not a time of RFC 3339, such as 2026-04-16T12:30:00Z",
        "/datacontenttype": "is not a media type (RFC 2046), such as application/json",
        "/dataschema": "must not be empty",
        "/Upper": "is not an attribute's name: only the letters a-z and digits are allowed",
        "/a~1b": "is not an attribute's name: only the letters a-z and digits are allowed",
        "/listed": "must be a string, a boolean or an integer",
        "/half": "must be an integer of 32 bits, if it is a number",
        "/large": "must be an integer of 32 bits, if it is a number",
        "/email": "is not an e-mail address, such as jo@example.com",
        "/message": "contains a NUL character, which can't be stored",
        "/data/x": "contains a NUL character, which can't be stored",
        "/data_base64": "is not base64 (RFC 4648, 4)",
    }
    both = [
        fault.detail for fault in refused(map_structured(sent)).faults if "beside" in fault.detail
    ]
    assert both == ["can't be given beside data"]


def test_one_fault_of_an_attribute_is_told_once_however_many_fields_it_becomes() -> None:
    for type_ in ("a\0", "a\ud800"):
        assert len(refused(map_structured(text(type=type_))).faults) == 1
    problem = refused(map_structured(text(type="x" * 256, source=" ")))
    assert [(fault.pointer, fault.detail) for fault in problem.faults] == [
        ("/type", "as the event's component: string should have at most 255 characters"),
        ("/source", "as the event's environment: must not be blank"),
    ]


def test_an_attribute_given_twice_is_refused() -> None:
    assert pointers(text()[:-1] + b',"id":"b"}') == {"/id": "is given more than once"}
    assert pointers(text()[:-1] + rb',"i\u0064":"b"}') == {"/id": "is given more than once"}


def test_numbers_with_more_digits_than_are_kept_are_refused() -> None:
    assert pointers(text()[:-1] + b',"data":[' + b"1" * 5000 + b"]}") == {
        "/data/0": "has 5000 digits; at most 4300 are kept"
    }


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_each_required_attribute_is_required_in_each_mode(name: str) -> None:
    assert pointers(text(**{name: None})) == {f"/{name}": "is required"}
    assert named(headers(without=name)) == {f"ce-{name}": "is required"}
    null = json.dumps({**GOOD, name: None}).encode()
    assert pointers(null) == {f"/{name}": "is required"}


@pytest.mark.parametrize(
    "time",
    [
        "2018-04-05T17:31:00Z",
        "2018-04-05t17:31:00.123456789012z",
        "1985-04-12T23:20:50.52+23:59",
        "1990-12-31T23:59:60Z",
        "2024-02-29T00:00:00-00:00",
        "0000-02-29T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ],
)
def test_a_time_of_rfc_3339_is_taken(time: str) -> None:
    assert map_structured(text(time=time)).validate(LIMIT)
    assert map_binary(headers((b"ce-time", time.encode())), b"").validate(LIMIT)


@pytest.mark.parametrize(
    "time",
    [
        "2018-04-05",
        "2018-04-05T17:31:00",
        "2018-04-05 17:31:00Z",
        "2018-04-05T17:31Z",
        "2018-13-05T17:31:00Z",
        "2018-00-05T17:31:00Z",
        "2018-04-31T17:31:00Z",
        "2018-04-05T24:00:00Z",
        "2018-04-05T17:60:00Z",
        "2018-04-05T17:31:61Z",
        "2018-04-05T17:31:00+24:00",
        "2018-04-05T17:31:00+0000",
        "2018-04-05T17:31:00.Z",
        "２018-04-05T17:31:00Z",
        "2018-04-05T17:31:00Z\n",
    ],
)
def test_any_other_time_is_refused(time: str) -> None:
    assert list(pointers(text(time=time))) == ["/time"]


@pytest.mark.parametrize(
    ("sent", "status", "place"),
    [
        (b"[]", 422, ""),
        (b"5", 422, ""),
        (b"", 400, None),
        (b'{"a":}', 400, None),
        (b'"\xff"', 400, None),
        (b"\xef\xbb\xbf{}", 400, None),
        (b'{"id":"a","data":' + b"[" * 64 + b"]" * 64 + b"}", 422, "/data"),
        (b'{"data":' + b"[" * 300_000, 422, "/data"),
    ],
)
def test_what_is_no_cloudevent_at_all_is_refused(
    sent: bytes, status: int, place: str | None
) -> None:
    with pytest.raises(Problem) as caught:
        map_structured(sent)
    assert caught.value.status == status
    assert [fault.pointer for fault in caught.value.faults] == ([] if place is None else [place])


def test_data_may_be_as_deep_as_the_whole_of_it_is_kept() -> None:
    deep = b"[" * 63 + b"]" * 63
    assert map_structured(text()[:-1] + b',"data":' + deep + b"}").validate(LIMIT)
    assert map_binary(headers(JSON), deep).validate(LIMIT)


def test_an_answer_has_room_for_so_many_faults_and_says_when_there_are_more() -> None:
    many = refused(map_structured(text(id=None, data=["\0"] * 500)))
    assert len(many.faults) == MAX_ERRORS
    assert many.faults[0].pointer == "/id"
    assert many.detail.startswith("More than 100 things")
    none_of_its_own = refused(map_structured(text(data=["\0"] * 500)))
    assert none_of_its_own.detail == many.detail
    exact = refused(map_structured(text(data=["\0"] * MAX_ERRORS)))
    assert exact.detail == "100 things are wrong."


def test_the_event_that_it_becomes_has_the_bound_of_every_event() -> None:
    whole = map_structured(text())
    assert whole.validate(len(whole.body))
    problem = refused(whole, len(whole.body) - 1)
    assert problem.status == 413
    assert str(len(whole.body)) in problem.detail
    written_out = map_structured(text()[:-1] + b',"data":1e300}')
    assert written_out.validate(LIMIT)
    assert [fault.pointer for fault in refused(written_out, len(written_out.body)).faults] == [""]


# --- properties --------------------------------------------------------------------------------

storable = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20).filter(
    lambda name: name not in ("component", "environment", "message", "email", "time")
)
extensions = st.dictionaries(names.filter(lambda name: "data" not in name), storable, max_size=4)
filled = storable.filter(str.strip)
attributes = st.builds(
    lambda core, more: {**more, **core},
    st.fixed_dictionaries(
        {"specversion": st.just("1.0"), "id": filled, "source": filled, "type": filled},
        optional={"subject": filled, "dataschema": filled},
    ),
    extensions,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e300, 1e300) | storable,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(storable, inner, max_size=3),
    max_leaves=8,
)


def percent_encoded(value: str) -> bytes:
    """As little as the binding demands, by hand."""
    return "".join(
        char if "!" <= char <= "~" and char not in '"%' else encoded(char) for char in value
    ).encode()


def encoded(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode())


def sent_in_binary(attributes: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(f"ce-{k}".encode(), percent_encoded(v)) for k, v in attributes.items()]


@settings(max_examples=150, deadline=None)
@given(attributes, json_values)
def test_what_goes_in_comes_out_in_data_in_both_modes(
    attributes: dict[str, str], data: Any
) -> None:
    text = json.dumps(data).encode()
    whole = json.dumps({**attributes, "data": data}, ensure_ascii=False).encode()
    assert bytes(map_structured(whole).validate(LIMIT).data) == whole
    event = map_binary([*sent_in_binary(attributes), JSON], text).validate(LIMIT)
    assert data_of(event) == {
        **attributes,
        "datacontenttype": "application/json",
        "data": json.loads(text, parse_float=Decimal),
    }
    assert b'"data":' + text in bytes(event.data)


@settings(max_examples=100, deadline=None)
@given(attributes, st.binary(min_size=1, max_size=40), st.sampled_from([b"text/plain", b"a/b"]))
def test_any_bytes_come_back(attributes: dict[str, str], body: bytes, content_type: bytes) -> None:
    sent = [*sent_in_binary(attributes), (b"content-type", content_type)]
    data = data_of(map_binary(sent, body).validate(LIMIT))
    found = (
        base64.b64decode(data["data_base64"]) if "data_base64" in data else data["data"].encode()
    )
    assert found == body


any_name = st.sampled_from([*GOOD, "time", "data", "data_base64", "datacontenttype", "email"])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(any_name | st.text(max_size=5), json_values | st.text(max_size=5)))
def test_any_object_is_taken_or_refused_in_places_that_it_has(sent: dict[str, Any]) -> None:
    found = verdict(lambda: map_structured(json.dumps(sent).encode()).validate(LIMIT))
    if isinstance(found, EventIn):
        assert data_of(found) == json.loads(json.dumps(sent), parse_float=Decimal)
        return
    assert found.faults
    for fault in found.faults:
        first = str(fault.pointer).split("/")[1].replace("~1", "/").replace("~0", "~")
        assert first in GOOD or first in sent or "\\ud" in first


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(BINARY_HEADERS))
            | st.builds(lambda b: b"ce-" + b, st.binary(max_size=4)),
            st.binary(max_size=8) | st.just(b"1.0"),
        )
    ),
    st.binary(max_size=10),
    st.none() | st.sampled_from([b"application/json", b"text/plain", b"\xff"]),
)
def test_any_headers_and_bytes_are_taken_or_refused(
    sent: list[tuple[bytes, bytes]], body: bytes, content_type: bytes | None
) -> None:
    typed = [] if content_type is None else [(b"content-type", content_type)]
    found = verdict(lambda: map_binary([*sent, *typed], body).validate(LIMIT))
    if isinstance(found, EventIn):
        assert data_of(found)["specversion"] == "1.0"
        return
    assert found.status in (400, 422)
    assert found.faults or found.status == 400
    assert json.loads(found.body())["status"] == found.status
