"""Large JSON is looked through in pieces, and what is found is what one look would find."""

import json
import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http import json_scan
from api.http.json_scan import has_half_of_a_pair, has_more_commas, require_utf8
from api.http.problems import Problem
from tests.support.hostile import fuzz

MIB = 1024 * 1024
DEPTHS = (2, 4, 6)

texts = st.text(st.sampled_from('ab,[]{}"\\ü😀\n'), max_size=9)
documents = st.recursive(
    st.integers(0, 9) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=30,
)


def commas(value: object, depth: int = 1) -> int:
    """How many stand at the depths, counted in what was parsed."""
    if not isinstance(value, list | dict):
        return 0
    inner = list(value.values()) if isinstance(value, dict) else value
    here = max(0, len(inner) - 1) if depth in DEPTHS else 0
    return here + sum(commas(item, depth + 1) for item in inner)


@fuzz(400)
@given(documents, st.booleans(), st.integers(1, 20))
def test_commas_are_counted_at_their_depth_and_in_no_string(
    document: object, ascii_only: bool, piece_bytes: int
) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only).encode()
    count = commas(document)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_scan, "PIECE_BYTES", piece_bytes)
        assert not count or has_more_commas(bytearray(body), count - 1, DEPTHS)
        assert not has_more_commas(body, count, DEPTHS)


escapes = st.lists(
    st.sampled_from(
        [rb"\\", rb"\"", rb"\n", rb"\u0041", rb"\ud83d\ude00", rb"\uDBFF\uDFFF", b"a", b"ud800"]
    )
)
_pairs = re.compile(rb"\\\\|\\u[dD][89aAbB]..\\u[dD][c-fC-F]..")


@fuzz(400)
@given(escapes, st.sampled_from([b"", rb"\ud83d", rb"\ude00", rb"\ud83d\u0041"]), escapes)
def test_half_of_a_pair_is_found_wherever_a_piece_ends(
    before: list[bytes], half: bytes, after: list[bytes]
) -> None:
    body = b"".join([*before, half, *after])
    expected = re.search(rb"\\u[dD][89a-fA-F]", _pairs.sub(b"", body)) is not None
    for piece_bytes in (12, 13, 17, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_scan, "PIECE_BYTES", piece_bytes)
            assert has_half_of_a_pair(body) == expected


@fuzz(400)
@given(st.text(max_size=20), st.binary(max_size=3), st.text(max_size=20), st.integers(4, 20))
def test_what_is_no_text_is_told_with_its_place(
    before: str, junk: bytes, after: str, piece_bytes: int
) -> None:
    body = before.encode() + junk + after.encode()
    try:
        body.decode()
        expected = None
    except UnicodeDecodeError as error:
        expected = f"The body is not UTF-8: byte {error.start} is wrong."
    found = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_scan, "PIECE_BYTES", piece_bytes)
        try:
            require_utf8(bytearray(body))
        except Problem as problem:
            found = problem.detail
    assert found == expected


BODIES = {
    "one wide character": "😀".encode() + b"x" * (16 * MIB),
    "empty strings": b'"",,' * MIB,
    "backslashes": b'"' + rb"\\" * (8 * MIB),
    "escaped quotes": b'"' + rb"\"" * (8 * MIB),
    "pairs": b'"' + rb"\ud83d\ude00" * MIB,
    "brackets": b"[" * (4 * MIB) + b"," * MIB,
}


@pytest.mark.parametrize("name", BODIES)
def test_no_look_takes_memory(name: str) -> None:
    tracemalloc.start()
    try:
        require_utf8(BODIES[name])
        has_half_of_a_pair(BODIES[name])
        has_more_commas(BODIES[name], 400_000, DEPTHS)
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()
