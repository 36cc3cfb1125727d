"""Texts on a terminal: what they take, where they are cut, and what they can't do there."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.display_width import cut, escaped, escaped_lines, json_escaped, width

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("paid", 4),
        ("支払い", 6),
        ("ﾊﾝｶｸ", 4),  # half-width
        ("한국어", 6),
        ("\u1112\u1161\u11ab", 2),  # one syllable of three letters
        ("e\u0301te\u0301", 3),
        ("👍", 2),
        ("❤\ufe0f", 2),  # an emoji by the sign behind it
        ("❤", 1),
        ("می\u200cخواهم", 7),
        ("", 0),
    ],
)
def test_the_cells_of_a_text_are_counted(text: str, cells: int) -> None:
    assert width(text) == cells


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202etxt.exe", r"\u202etxt.exe"),
        ("a\u200bb\u2028c", r"a\u200bb\u2028c"),
        ("\U000e0041", r"\U000e0041"),
        ("C:\\new", "C:\\new"),
        ("支払い 👍", "支払い 👍"),
    ],
)
def test_control_characters_are_escaped_and_nothing_else(text: str, shown: str) -> None:
    assert escaped(text) == shown


@given(TEXTS)
def test_an_escaped_text_has_no_control_character(text: str) -> None:
    found = escaped(text)
    assert not any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in found)
    assert not any(
        unicodedata.bidirectional(c) in ("RLO", "LRO", "RLE", "LRE", "PDF") for c in found
    )
    assert escaped_lines(text).replace("\n", r"\n") == found


@given(TEXTS)
def test_escaped_json_is_equal_json(text: str) -> None:
    line = json_escaped(json.dumps({"m": text}, ensure_ascii=False))
    assert json.loads(line) == {"m": text}
    assert escaped(line) == line


@given(TEXTS, st.integers(0, 40))
def test_a_cut_text_fits_and_is_a_beginning(text: str, most: int) -> None:
    shown = escaped(text)
    found = cut(shown, most)
    assert width(found) <= most
    if found != shown and most:
        assert found.endswith("…")
        assert shown.startswith(found.removesuffix("…"))


def test_a_wide_character_is_not_cut_in_half() -> None:
    assert cut("支払い", 5) == "支払…"
    assert cut("支払い", 4) == "支…"
    assert cut("支払い", 1) == "…"
    assert cut("支払い", 6) == "支払い"
