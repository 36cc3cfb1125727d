"""The form of tokens: what they hold, what is kept of them, and how typing errors are told."""

import re
from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.access import token

LETTERS = digits + ascii_letters
EXAMPLE = "act_0aZ9bY8x_" + "0123456789ABCDEFGHIJKLMNOPQRSTUV" + "00aaMN"


def test_a_token_has_its_documented_form_and_no_two_are_equal() -> None:
    tokens = [token.new_token() for _ in range(100)]
    assert all(re.fullmatch(r"act_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}", each) for each in tokens)
    assert len({token.id_of(each) for each in tokens}) == 100
    assert all(token.is_key_id(token.id_of(each)) for each in tokens)


def test_the_digest_is_the_sha_256_of_the_whole_token() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert token.digest("").hex() == empty


@given(position=st.integers(0, 50), letter=st.sampled_from(LETTERS))
def test_one_wrong_character_is_told_as_a_typing_error(position: int, letter: str) -> None:
    right = token.new_token()
    wrong = right[:position] + letter + right[position + 1 :]
    if wrong != right:
        with pytest.raises(token.InvalidToken) as raised:
            token.id_of(wrong)
        assert wrong not in str(raised.value)


@pytest.mark.parametrize("text", ["", "act_", EXAMPLE[:-1], EXAMPLE + "0", " " + EXAMPLE, "é" * 51])
def test_another_text_is_no_token(text: str) -> None:
    with pytest.raises(token.InvalidToken, match="not a token"):
        token.id_of(text)


@pytest.mark.parametrize("text", ["", "0aZ9bY8", "0aZ9bY8x1", "0aZ9bY8_", "0aZ9bY8\n"])
def test_another_text_is_no_key_id(text: str) -> None:
    assert not token.is_key_id(text)
