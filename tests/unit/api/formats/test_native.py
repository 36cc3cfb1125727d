"""`parse`, fast and sure of what is good, held against `validate`, slow and precise."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.formats.native_fast import parse, parse_many
from api.formats.native_validate import validate
from api.http.problems import Problem
from storage.model.json_rules import MAX_JSON_DEPTH as DEPTH
from tests.support.native_events import GOOD, HASH, LIMIT, body, verdict, with_data


class Members(list[tuple[str, Any]]):
    """An object, repeated names too."""


def resolves(pointer: str, posted: bytes) -> bool:
    """Whether the pointer leads to a value that was posted, or names a field that is missing."""
    found = [json.loads(posted, object_pairs_hook=Members)]
    for part in pointer.split("/")[1:]:
        found = [value for at in found for name, value in steps(at) if name == part]
    return bool(found) or pointer in ("/component", "/environment", "/message")


def steps(value: Any) -> Iterator[tuple[str, Any]]:
    """Return the ways down from a value, as a pointer spells them."""
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
