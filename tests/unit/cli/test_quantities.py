"""Counts, sizes and durations as the command writes them."""

import pytest

from cli.quantities import counted, duration, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.9, "59.9 s"),
        (60, "1 min 0 s"),
        (3_600, "1 h 0 min"),
        (1e6, "11 d 13 h"),
        (None, "unknown"),
    ],
)
def test_a_duration_is_told_in_its_largest_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1_023, "1,023 bytes"),
        (1 << 40, "1,024.0 GiB"),
        (None, "unknown"),
    ],
)
def test_a_size_is_told_in_its_largest_unit(count: int | None, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 events"),
        (0.6, "1 event"),
        (1, "1 event"),
        (1.4, "1 event"),
        (2, "2 events"),
        (12_345, "12,345 events"),
        (None, "unknown"),
    ],
)
def test_a_count_has_the_form_of_the_noun_that_fits_it(count: float | None, text: str) -> None:
    assert counted(count, "event") == text


def test_an_irregular_plural_can_be_given() -> None:
    assert counted(1, "process", "processes") == "1 process"
    assert counted(3, "process", "processes") == "3 processes"
