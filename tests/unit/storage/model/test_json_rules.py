"""The rules for JSON that can be stored agree with PostgreSQL's bounds and with each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model.json_rules import (
    MAX_DIGITS,
    digits_fault,
    fits_numeric,
    is_too_deep,
    number_fault,
    text_faults,
)

digits = st.integers(1, MAX_DIGITS + 2).map(lambda count: "7" * count)
exponents = st.just("") | st.integers(-2 * MAX_DIGITS, 2 * MAX_DIGITS).map(lambda e: f"e{e}")
literals = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    digits,
    st.just("") | digits.map(lambda text: f".{text}"),
    exponents,
)


@given(literals)
def test_a_number_that_an_event_may_hold_is_one_that_a_filter_can_ask_for(literal: str) -> None:
    if number_fault(literal) is None:
        assert digits_fault(literal) is None
        assert fits_numeric(literal)


@pytest.mark.parametrize(
    ("literal", "why"),
    [
        ("1" * 4301, "4301 digits"),
        ("0e4301", "beyond 4300"),
        ("1e-4301", "beyond 4300"),
        ("1e309", "infinite"),
    ],
)
def test_a_number_that_would_lose_digits_is_refused(literal: str, why: str) -> None:
    assert why in str(number_fault(literal))


def test_text_has_one_fault_for_each_rule_it_breaks() -> None:
    assert list(text_faults("é😀")) == []
    assert len(list(text_faults("\0"))) == 1
    assert len(list(text_faults("\0\ud800"))) == 2


def test_brackets_in_strings_are_no_depth() -> None:
    assert not is_too_deep(b'["' + b"[" * 99 + b'"]', 1)
    assert is_too_deep(b'["\\"", [' + b"]]", 1)
