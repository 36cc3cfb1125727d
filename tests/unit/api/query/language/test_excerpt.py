"""The line of a question with a caret under the character at fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.query.language.excerpt import MAX_SHOWN, excerpt, place_of
from tests.support.questions import faults_in


def test_a_caret_stands_under_the_character() -> None:
    (fault,) = faults_in("component:billing AND (paid")
    assert fault.excerpt == "component:billing AND (paid\n                      ^"


def test_of_a_pasted_question_the_line_is_shown_and_named() -> None:
    (fault,) = faults_in('component:billing\r\n  AND componnet:"a b"\n  AND paid\n')
    assert fault.excerpt == '  AND componnet:"a b"\n      ^'
    assert fault.character == 26
    assert "character 26 (line 2, character 7)" in fault.detail


@pytest.mark.parametrize(
    ("question", "at", "shown"),
    [
        ("", 0, "\n^"),
        ("abc", 3, "abc\n   ^"),
        ("\tab", 1, " ab\n ^"),
        ("日本 (", 3, "日本 (\n     ^"),
        ("e\u0301 (", 3, "e\u0301 (\n  ^"),
        ("a\x1b[31m(", 6, "a\ufffd[31m(\n      ^"),
        ("a\u202e(", 2, "a\ufffd(\n  ^"),
        ("a\r\n(", 3, "(\n^"),
        ("a\r(", 2, "(\n^"),
        ("a\n\n(b", 3, "(b\n^"),
        ("x" * 200, 0, "x" * 80 + "…\n^"),
        ("x" * 200, 100, "…" + "x" * 80 + "…\n" + " " * 51 + "^"),
        ("x" * 200, 200, "…" + "x" * 50 + "\n" + " " * 51 + "^"),
    ],
)
def test_the_excerpt(question: str, at: int, shown: str) -> None:
    assert excerpt(question, at) == shown


@pytest.mark.parametrize(
    ("question", "at", "place"),
    [
        ("abc", 1, "character 2"),
        ("abc\n", 1, "character 2"),
        ("a\nbc", 3, "character 4 (line 2, character 2)"),
        ("a\r\nbc", 4, "character 5 (line 2, character 2)"),
        ("a\rb\nc", 4, "character 5 (line 3, character 1)"),
    ],
)
def test_the_place(question: str, at: int, place: str) -> None:
    assert place_of(question, at) == place


@given(st.text(max_size=300), st.data())
def test_an_excerpt_is_two_short_lines_for_any_text(question: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(question)))
    shown, caret = excerpt(question, at).split("\n")
    assert len(shown) <= MAX_SHOWN + 2
    assert all(one.isprintable() or one.isspace() or one == "\ufffd" for one in shown)
    assert caret.strip(" ") == "^"
    assert len(caret) <= 2 * MAX_SHOWN
