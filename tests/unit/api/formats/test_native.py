"""`parse`, fast and sure of what is good, held against `validate`, slow and precise."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.formats.native_fast import EventIn, parse, parse_many
from api.formats.native_validate import validate
from api.formats.validation_problem import MAX_ERRORS
from api.http.problems import Problem
from storage.model.json_rules import MAX_DIGITS as DIGITS
from storage.model.json_rules import MAX_JSON_DEPTH as DEPTH

LIMIT = 256 * 1024
GOOD: dict[str, Any] = {
    "component": "billing",
    "environment": "production",
    "message": "Invoice 1042 was paid",
    "email": "jo@example.com",
    "data": {"invoice": 1042, "amount": 12.5},
}
HASH = "12e4567890abcdef12e4567890abcdef12e45678"


def with_data(data: bytes) -> bytes:
    """A body whose `data` is that text, to the byte."""
    return b'{"component":"a","environment":"b","message":"c","data":' + data + b"}"


def body(**changes: Any) -> bytes:
    """A good body but for the changes."""
    return json.dumps({**GOOD, **changes}).encode()


def refusal(posted: bytes, status: int = 422, limit: int = LIMIT) -> Problem:
    """The Problem that explains why it is refused; `parse` does not take it either."""
    assert parse(posted) is None is parse_many([body(), posted])
    assert parse_many([posted, body()]) is None
    with pytest.raises(Problem) as caught:
        validate(posted, limit)
    assert caught.value.status == status
    return caught.value


def pointers(posted: bytes) -> list[str | None]:
    return [fault.pointer for fault in refusal(posted).faults]


def verdict(posted: bytes) -> EventIn | Problem:
    """What `validate` makes of it."""
    try:
        return validate(posted, LIMIT)
    except Problem as problem:
        return problem


class Members(list[tuple[str, Any]]):
    """An object, repeated names too."""


def resolves(pointer: str, posted: bytes) -> bool:
    """Whether the pointer leads to a value that was posted, or names a field that is missing."""
    found = [json.loads(posted, object_pairs_hook=Members)]
    for part in pointer.split("/")[1:]:
        found = [value for at in found for name, value in steps(at) if name == part]
    return bool(found) or pointer in ("/component", "/environment", "/message")


def steps(value: Any) -> Iterator[tuple[str, Any]]:
    """The ways down from a value, as a pointer spells them."""
    if isinstance(value, Members):
        for name, item in value:
            shown = name if len(name) <= 255 else name[:255] + "…"
            shown = shown.encode("utf-8", "backslashreplace").decode()
            yield shown.replace("~", "~0").replace("/", "~1"), item
    elif isinstance(value, list):
        yield from ((str(index), item) for index, item in enumerate(value))


def hold_against_each_other(posted: bytes) -> None:
    """`validate` takes all that `parse` takes, as the same event, and says what is wrong else."""
    fast, slow = parse(posted), verdict(posted)
    many = parse_many([body(), posted, body()])
    assert many == (None if fast is None else [parse(body()), fast, parse(body())])
    if isinstance(slow, Problem):
        assert fast is None
        assert slow.status in (400, 422)
        assert bool(slow.faults) == (slow.status == 422)
        assert all(resolves(str(fault.pointer), posted) for fault in slow.faults)
        assert json.loads(slow.body())["status"] == slow.status
        return
    document = json.loads(posted, parse_float=Decimal)
    names = ("component", "environment", "message", "email")
    assert [getattr(slow, name) for name in names] == [document.get(name) for name in names]
    assert json.loads(bytes(slow.data), parse_float=Decimal) == document.get("data")
    if fast is not None:
        assert fast == slow
        assert bytes(fast.data) == bytes(slow.data)


any_text = st.text(st.characters(codec=None), max_size=20)
any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | any_text
    | st.sampled_from(["\0", "\ud800", "\udc00\ud800", "😀", "a\\u0000"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(any_text | st.just("data"), inner, max_size=4)
    ),
    max_leaves=12,
)
fields = st.fixed_dictionaries(
    {"component": st.sampled_from(["a", "", " ", "x" * 256, "😀"]) | any_json},
    optional={
        "environment": st.just("b") | any_json,
        "message": st.just("c") | any_json,
        "email": st.sampled_from([None, "jo@example.com", "jo@", "@b", "a b@c"]) | any_json,
        "data": any_json,
        "extra": any_json,
    },
)
good = st.builds(lambda data: {**GOOD, "data": data}, any_json)
TOKENS = rb"""
    " \ \u0000 \ud800 \udc00 { } [ ] , : 1 - 0 . e E5 1e400 1e5 NaN -Infinity null 01 1. +1 "a":
    "data": "component":1, "email": "\u0064ata": "a":1e999999, "a":"\u0000",
"""
ODD_BYTES = [b"\n", b"\r", b" ", b"\0", b"\x0b", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80"]
pieces = st.sampled_from([*TOKENS.split(), *ODD_BYTES, b"1" * 500])


@settings(max_examples=300, deadline=None)
@given(st.one_of(fields, good, any_json), st.booleans())
def test_whatever_json_is_posted_the_fast_and_the_precise_way_agree(
    document: Any, ascii_only: bool
) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only)
    hold_against_each_other(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_whatever_bytes_are_posted_the_fast_and_the_precise_way_agree(posted: bytes) -> None:
    hold_against_each_other(posted)
    hold_against_each_other(with_data(posted))


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([body(), with_data(b"[1, 2.50, null]"), body(data={"a": {"b": ["😀"]}})]),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 6), st.just(b"") | pieces), max_size=3),
)
@example(with_data(b"1"), [(1, 0, b'"component":1,')])
def test_a_good_body_that_was_tampered_with_is_judged_the_same_both_ways(
    posted: bytes, changes: list[tuple[int, int, bytes]]
) -> None:
    for at, gone, added in changes:
        posted = posted[:at] + added + posted[at + gone :]
    hold_against_each_other(posted)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"email": None},
        {"data": None},
        {"data": [HASH, {"commit": HASH}]},
        {"message": "größer, 日本語, \x7f, tab\t, newline\n"},
        {"component": "x" * 255},
        {"data": [0, -1, 10**300, 12.5, -0.0, True, "", [], {}, [[]], {"": {}}]},
        {"data": json.loads("[" * DEPTH + "]" * DEPTH)},
        {"message": '"[{' * 100},
    ],
)
def test_ordinary_good_events_take_the_fast_way(changes: dict[str, Any]) -> None:
    event = parse(body(**changes))
    assert event is not None
    assert event == validate(body(**changes), LIMIT)
    assert json.loads(bytes(event.data)) == {**GOOD, **changes}["data"]


def test_raw_utf8_takes_the_fast_way() -> None:
    posted = json.dumps({**GOOD, "component": "😀" * 255}, ensure_ascii=False).encode()
    event = parse(posted)
    assert event is not None
    assert event.component == "😀" * 255


def test_only_the_required_fields_are_enough() -> None:
    posted = b' \r\n\t{"component":"a", "environment":"b",\n"message":"c"} '
    event = parse(posted)
    assert event is not None
    assert (event.email, bytes(event.data)) == (None, b"null")


@pytest.mark.parametrize(
    "data",
    [b"1.10", b"-0.0", b"1E5", b'{"b":1, "a" : 2,"a":3}', b'"\\ud83d\\ude00\\/"', b"[1e-7 ]"],
)
def test_data_is_kept_to_the_byte(data: bytes) -> None:
    assert bytes(validate(with_data(data), LIMIT).data) == data
    fast = parse(with_data(data))
    assert fast is None or bytes(fast.data) == data


TAKEN = [
    "0",
    "-0",
    "-0.0",
    "1.10",
    "1E5",
    "1e+5",
    "1e-005",
    "1e308",
    "1.7976931348623157e308",
    "-1.7976931348623157E+308",
    "17976931348623157e292",
    "0.00001e312",
    "5e-324",
    "2.2250738585072014e-308",
    "1e-400",
    f"1e-{DIGITS}",
    "0e999",
    f"0e-{DIGITS}",
    "1e0000000000000001",
    "123456789012345678901234567890.123456789",
    "9" * DIGITS,
    "-" + "9" * DIGITS,
    "0." + "9" * (DIGITS - 1),
]


@pytest.mark.parametrize("number", TAKEN, ids=lambda text: text[:24])
def test_a_number_that_every_reader_can_read_keeps_its_digits(number: str) -> None:
    for data in (number, f"[{number}]", f'{{"a":\n{number}}}'):
        assert bytes(validate(with_data(data.encode()), LIMIT).data) == data.encode()


REFUSED = [
    "1e309",
    "-1e309",
    "1e400",
    "-1E+400",
    "1.8e308",
    "1e99999999999",
    "1e-99999999999",
    "1e" + "9" * 5000,
    f"1e-{DIGITS + 1}",
    f"0e{DIGITS + 1}",
    "0e999999",
    "0e-16384",
    "0.0e131072",
    "1" * 400 + "e1",
    "NaN",
    "Infinity",
    "-Infinity",
    "9" * (DIGITS + 1),
    "-0." + "9" * DIGITS,
]
PLACES = [
    "{}",
    "[{}]",
    "[0,{}]",
    "[0, {}]",
    "[\n{}]",
    "[\t{}\r]",
    "[\r{}]",
    '{{"a":{}}}',
    '{{"a": {}}}',
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", REFUSED, ids=lambda text: text[:24])
def test_a_number_that_overflows_is_refused_wherever_it_stands(number: str, place: str) -> None:
    [pointer] = pointers(with_data(place.format(number).encode()))
    inside = {"{}": "", "[0,{}]": "/1", "[0, {}]": "/1"}
    assert pointer == "/data" + inside.get(place, "/a" if '"a"' in place else "/0")


def test_a_number_in_a_value_that_a_repeated_name_hides_is_refused_too() -> None:
    # PostgreSQL reads every value before it keeps the last.
    assert pointers(with_data(b'{"a":1e999999,"a":1}')) == ["/data/a"]
    assert pointers(with_data(b'{"a":"\\u0000","a":1}')) == ["/data/a"]


def test_a_repeated_field_counts_as_its_last_value_and_must_be_right_each_time() -> None:
    twice = b'{"component":"old","component":"new","environment":"b","message":"c"}'
    event = parse(twice)
    assert event is not None
    assert event.component == validate(twice, LIMIT).component == "new"
    assert pointers(twice.replace(b'"old"', b"1")) == ["/component"]


def test_numbers_that_would_fill_the_disk_once_written_out_are_refused() -> None:
    many = b"[" + b",".join([b"1e-4300"] * 61) + b"]"
    refused = refusal(with_data(many))
    assert [fault.pointer for fault in refused.faults] == ["/data"]
    assert "written out" in refused.faults[0].detail
    few = with_data(b"[" + b",".join([b"1e-4300"] * 60) + b"]")
    assert validate(few, LIMIT).component == "a"
    refusal(few, limit=len(few) + 60 * DIGITS - 1)


def test_a_number_with_an_exponent_never_takes_the_fast_way() -> None:
    for number in (b"1e1", b"-1E1", b"0.5e-3", b"0e0", b"12.25E+3", b"\t 7e7", b"[\n-9e9]"):
        for place in PLACES:
            assert parse(with_data(place.encode().replace(b"{}", number))) is None


HALVES = [
    "\\ud800",
    "\\uDBFF",
    "\\udc00",
    "\\uDFFF",
    "\\ude00\\ud83d",
    "\\ud83d\\ud83d\\ude00",
    "\\ud83dx",
]


@pytest.mark.parametrize("text", ["\\u0000", "a\\u0000b", "\\\\\\u0000", *HALVES])
def test_text_that_postgresql_can_not_store_is_refused_in_values_and_names(text: str) -> None:
    quoted = f'"{text}"'.encode()
    assert pointers(with_data(quoted)) == ["/data"]
    assert pointers(with_data(b'{"a":[0,' + quoted + b"]}")) == ["/data/a/1"]
    [pointer] = pointers(with_data(b"{" + quoted + b":1}"))
    assert pointer is not None
    assert pointer.startswith("/data/")
    for name in ("component", "environment", "message", "email"):
        posted = body(**{name: "@"}).replace(b'"@"', quoted)
        assert set(pointers(posted)) == {f"/{name}"}


@pytest.mark.parametrize("name", ["component", "environment", "message"])
def test_half_a_surrogate_pair_is_one_fault_not_two(name: str) -> None:
    assert pointers(body(**{name: "\ud800"})) == [f"/{name}"]


def test_an_escaped_backslash_before_u0000_is_just_text() -> None:
    assert bytes(validate(with_data(b'"\\\\u0000"'), LIMIT).data) == b'"\\\\u0000"'


def test_a_pair_of_surrogate_escapes_is_one_character() -> None:
    assert validate(body(component="😀"), LIMIT).component == "😀"
    event = parse(body(component="😀", data=["😀"]))
    assert event is not None
    assert event.component == "😀"
    assert bytes(event.data) == b'["\\ud83d\\ude00"]'


@pytest.mark.parametrize("levels", [DEPTH + 1, 1_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_data_nested_deeper_than_64_is_refused(levels: int, opening: str, closing: str) -> None:
    deep = opening * levels + "0" + closing * levels
    assert pointers(with_data(deep.encode())) == ["/data"]
    assert pointers(f'{{"data":1,"message":{deep}}}'.encode()) == ["/message"]
    assert pointers(f"[{deep}]".encode()) == [""]
    # Not closed, and so not JSON either; that it is too deep is known first.
    assert pointers(with_data((opening * levels).encode())) == ["/data"]


def test_data_nested_64_deep_is_taken() -> None:
    deep = b'{"a":' * DEPTH + b"0" + b"}" * DEPTH
    event = parse(with_data(deep))
    assert event is not None
    assert event == validate(with_data(deep), LIMIT)


def test_every_fault_is_listed_at_once() -> None:
    posted = (
        b'{"component":" ","message":7,"email":"jo at home","colour":NaN,"a/b~c":1,'
        b'"\\ud800":1,"data":{"x":[1e400,"\\u0000"],"a/b~c":NaN}}'
    )
    assert sorted(map(str, pointers(posted))) == [
        "/\\ud800",
        "/\\ud800",
        "/a~1b~0c",
        "/colour",
        "/colour",
        "/component",
        "/data/a~1b~0c",
        "/data/x/0",
        "/data/x/1",
        "/email",
        "/environment",
        "/message",
    ]


def test_a_field_the_event_does_not_have_is_refused_by_name() -> None:
    refused = refusal(body(colour="red"))
    assert [(fault.pointer, fault.detail) for fault in refused.faults] == [
        ("/colour", "is not a field of an event; put additional values into data")
    ]


@pytest.mark.parametrize("name", ["component", "environment", "message", "email"])
@pytest.mark.parametrize("value", [1, 1.5, True, [], {}, ["a"], {"a": "b"}])
def test_a_field_of_another_type_than_text_is_refused(name: str, value: Any) -> None:
    assert pointers(body(**{name: value})) == [f"/{name}"]


@pytest.mark.parametrize("name", ["component", "environment", "message"])
@pytest.mark.parametrize("value", ["", " ", "\t\r\n", "\u00a0\u2003", None])
def test_a_blank_or_null_required_field_is_refused(name: str, value: Any) -> None:
    assert pointers(body(**{name: value})) == [f"/{name}"]


@pytest.mark.parametrize("name", ["component", "environment"])
@pytest.mark.parametrize("character", ["x", "ü", "😀"])
def test_a_name_has_at_most_255_characters(name: str, character: str) -> None:
    assert validate(body(**{name: character * 255}), LIMIT)
    assert pointers(body(**{name: character * 256})) == [f"/{name}"]


@pytest.mark.parametrize(
    "email",
    [
        "",
        " ",
        "jo",
        "jo@",
        "@example.com",
        "jo at home",
        "jo@exa mple.com",
        "jo@-a.com",
        "jo@a..b",
        "jo@example.com\n",
        " jo@example.com",
        "jo@bücher.de",
        "a@b@c",
        "jo@" + "a" * 64,
        "a" * 243 + "@example.com",
    ],
)
def test_an_invalid_email_is_refused(email: str) -> None:
    assert pointers(body(email=email)) == ["/email"]


@pytest.mark.parametrize("email", ["jo@example.com", "o'neil+x@a-b.co", "a@b", "A@B.ORG"])
def test_a_valid_email_is_taken(email: str) -> None:
    event = parse(body(email=email))
    assert event is not None
    assert event.email == email


@pytest.mark.parametrize("value", ["[]", '"text"', "1", "null", "true", "NaN"])
def test_json_that_is_no_object_is_refused(value: str) -> None:
    assert pointers(value.encode()) == [""]


@pytest.mark.parametrize(
    "posted",
    [
        b"",
        b" ",
        b"\xff",
        b"\xef\xbb\xbf" + body(),
        body().decode().encode("utf-16"),
        body()[:-1],
        body()[:20],
        body() + b"}",
        body() + body(),
        body().replace(b", ", b",, ", 1),
        body()[:-1] + b",}",
        with_data(b"[1,]"),
        with_data(b"01"),
        with_data(b"+1"),
        with_data(b".5"),
        with_data(b"1."),
        with_data(b"-"),
        with_data(b"1e"),
        with_data(b"'a'"),
        with_data(b'"\n"'),
        with_data(b'"\0"'),
        with_data(b'"\\x"'),
        with_data(b'"\\u12"'),
        with_data(b'"\xed\xa0\x80"'),
        with_data(b'"\xc0\x80"'),
        with_data(b"nul"),
        with_data(b"\x0b1"),
        with_data(b"\xa01"),
        b"// comment\n" + body(),
    ],
    ids=lambda posted: repr(posted)[:30],
)
def test_what_is_not_json_is_malformed(posted: bytes) -> None:
    problem = refusal(posted, 400)
    assert "is not" in problem.detail
    assert not problem.faults


FILLED = {
    "arrays": with_data(b"[" + b"[]," * 80_000 + b"1e1]"),
    "brackets": b"[" * LIMIT,
    "quotes": with_data(b'"' * 250_000),
    "backslashes": with_data(b'"' + b"\\" * 250_000),
    "digits": with_data(b"1" * 250_000),
    "runs of digits": with_data(b"[" + (b"1" * 499 + b",") * 500 + b"1]"),
    "exponents": with_data(b"[" + b"1e1," * 60_000 + b"1]"),
    "faults": with_data(b"[" + b"NaN," * 60_000 + b"1]"),
    "faults below a long name": with_data(
        b'{"' + b"k" * 120_000 + b'":[' + b"NaN," * 30_000 + b"1]}"
    ),
    "numbers below a long name": with_data(
        b'{"' + b"k" * 120_000 + b'":[' + b"1," * 60_000 + b"1e1]}"
    ),
    "unknown fields": b"{" + b",".join(b'"k%d":1' % n for n in range(20_000)) + b"}",
}


@pytest.mark.parametrize("posted", FILLED.values(), ids=FILLED.keys())
def test_an_answer_is_never_many_times_as_large_as_the_body(posted: bytes) -> None:
    assert len(posted) <= LIMIT
    answer = verdict(posted)
    if isinstance(answer, Problem):
        assert len(answer.faults) <= MAX_ERRORS
        assert len(answer.body()) <= 64 * 1024


def test_more_faults_than_are_listed_are_admitted() -> None:
    refused = refusal(with_data(b"[" + b",".join([b"NaN"] * 101) + b"]"))
    assert refused.detail == "More than 100 things are wrong; these are the first of them."
    assert len(refused.faults) == 100
