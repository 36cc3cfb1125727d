"""A batch's body is cut into its items wherever the network has cut it before."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.problems import Problem
from api.ingest.splitters import Item, JsonArraySplitter, NdjsonSplitter

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
BLANK = st.text(" \t\r\n", max_size=3)


def cut(
    cutter: NdjsonSplitter | JsonArraySplitter, body: bytes, places: Iterable[int] = ()
) -> list[Item]:
    """Return the items of a body that comes in pieces which end at these places."""
    ends = sorted({place for place in places if place < len(body)})
    starts = [0, *ends]
    pieces = [body[start:end] for start, end in zip(starts, [*ends, len(body)], strict=True)]
    return [item for piece in pieces for item in cutter.feed(piece)] + list(cutter.finish())


def bodies(items: list[Item]) -> list[Any]:
    return [None if item.body is None else json.loads(item.body) for item in items]


@given(st.lists(JSON), st.booleans(), BLANK, st.booleans(), st.lists(st.integers(0, 200)))
def test_an_array_gives_the_items_that_a_parser_finds(
    items: list[Any], ascii_only: bool, blank: str, envelope: bool, places: list[int]
) -> None:
    separators = (f"{blank},{blank}", f"{blank}:{blank}")
    text = json.dumps(
        {"events": items} if envelope else items, ensure_ascii=ascii_only, separators=separators
    )
    body = f"{blank}{text}{blank}".encode("utf-8", "surrogatepass")
    found = [item.body for item in cut(JsonArraySplitter(10_000, 1_000), body, places)]
    assert None not in found
    joined = b"[%b]" % b",".join(one for one in found if one is not None)
    assert repr(json.loads(joined.decode("utf-8", "surrogatepass"))) == repr(items)


@given(
    st.lists(JSON), st.sampled_from(["\n", "\r\n", "\n\n", " \n"]), st.lists(st.integers(0, 200))
)
def test_lines_give_the_items_and_where_they_stood(
    items: list[Any], end: str, places: list[int]
) -> None:
    body = "".join(json.dumps(item) + end for item in items).encode()
    found = cut(NdjsonSplitter(10_000, 1_000), body, places)
    assert repr(bodies(found)) == repr(items)
    step = end.count("\n")
    assert [item.line for item in found] == [1 + number * step for number in range(len(items))]


@pytest.mark.parametrize("pieces", [range(0, 100, 7), [], range(100)])
def test_an_item_is_too_large_by_one_byte(pieces: Iterable[int]) -> None:
    lines = b"1234567890\r\n12345678901\n1234567890"
    assert bodies(cut(NdjsonSplitter(11, 1_000), lines, pieces)) == [
        1234567890,
        12345678901,
        1234567890,
    ]
    assert bodies(cut(NdjsonSplitter(10, 1_000), lines, pieces)) == [1234567890, None, 1234567890]
    array = b"[1234567890 ,12345678901, 1234567890]"
    assert bodies(cut(JsonArraySplitter(10, 1_000), array, pieces)) == [
        1234567890,
        None,
        1234567890,
    ]


def test_a_bad_item_does_not_spoil_the_others() -> None:
    body = b'[{"a":}, nul, {"b":"]"}, "\\"", {"c" 1}]'
    assert [item.body for item in cut(JsonArraySplitter(100, 1_000), body)] == [
        b'{"a":}',
        b"nul",
        b'{"b":"]"}',
        b'"\\""',
        b'{"c" 1}',
    ]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "expected an array at line 1, byte 1"),
        (b"[", 400, "expected an item at line 1, byte 2"),
        (b"[1,\n\n ,2]", 400, "expected an item at line 3, byte 2"),
        (b"[1 2]", 400, "expected ',' or ']' at line 1, byte 4"),
        (b"[{}", 400, "expected ',' or ']'"),
        (b"[{", 400, "expected the end of the item that began before"),
        (b'["a', 400, "expected ',' or ']'"),
        (b"[1]]", 400, "expected the end at line 1, byte 4"),
        (b'{"events":[1]', 400, "expected ',' or '}'"),
        (b'{"events":[1],"x":1}', 422, "only member"),
        (b'{"x":[1]}', 422, "only member"),
        (b'"events"', 422, "only member"),
        (b"\xef\xbb\xbf[1]", 400, "expected an array"),
    ],
)
def test_what_is_no_array_is_refused_where_that_shows(body: bytes, status: int, said: str) -> None:
    with pytest.raises(Problem) as caught:
        cut(JsonArraySplitter(100, 1_000), body)
    assert caught.value.status == status
    assert said in caught.value.detail + "".join(fault.detail for fault in caught.value.faults)


def test_lines_and_brackets_are_bounded_whatever_they_hold() -> None:
    assert bodies(cut(NdjsonSplitter(10, 3), b"\n\n1")) == [1]
    with pytest.raises(Problem, match="at most 3 lines"):
        cut(NdjsonSplitter(10, 3), b"\n\n\n\n1", [2, 3])
    assert bodies(cut(JsonArraySplitter(10, 3), b"[[],{},[]]")) == [[], {}, []]
    for body in (b"[[],[],[],[]]", b"[[[[[]]]]]", b'[{"a":[{},{},{}]}]'):
        with pytest.raises(Problem, match="at most 3 arrays and objects"):
            cut(JsonArraySplitter(10, 3), body)


def test_a_line_of_blanks_is_none_however_long_it_is() -> None:
    body = b" " * 100 + b"\n" + b"\t" * 30 + b"1\n" + b" " * 100
    for places in ((), range(0, 240, 7)):
        assert bodies(cut(NdjsonSplitter(40, 100), body, places)) == [1]


@given(
    st.lists(st.sampled_from([b" ", b"\t", b"\r", b"\n", b"\v", b"1", b"1234567"]), max_size=12),
    st.lists(st.integers(0, 30)),
)
def test_lines_are_the_same_wherever_the_network_has_cut_them(
    parts: list[bytes], places: list[int]
) -> None:
    body = b"".join(parts)
    assert cut(NdjsonSplitter(6, 1_000), body, places) == cut(NdjsonSplitter(6, 1_000), body)


def test_blanks_before_an_item_are_no_part_of_its_size() -> None:
    found = cut(NdjsonSplitter(4, 1_000), b" \t1234\r\n" + b" " * 9 + b"1234\n   \n 12345")
    assert [item.body for item in found] == [b"1234", b"1234", None]
