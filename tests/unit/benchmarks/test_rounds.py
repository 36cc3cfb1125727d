"""Ratios: read in turns, round by round."""

import pytest

from benchmarks.rounds import Spread, alternate, percentile, ratio, spread


def test_measures_take_turns() -> None:
    order: list[str] = []
    measures = {name: lambda name=name: order.append(name) for name in ("a", "b")}
    found = alternate(measures, 3)
    assert order == ["a", "b"] * 3
    assert {name: len(values) for name, values in found.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_read_within_each_round() -> None:
    slow_machine_in_the_middle = ratio([100, 10, 100], [200, 20, 200])
    assert slow_machine_in_the_middle == Spread(0.5, 0.5, 0.5, 3)


def test_the_median_counts_and_the_range_is_told() -> None:
    assert spread([3, 1, 50]) == Spread(3, 1, 50, 3)


def test_rounds_without_a_partner_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio([1, 2], [1])


@pytest.mark.parametrize("read", [spread, lambda values: percentile(values, 0.5)])
def test_nothing_has_no_median(read: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - both say it in their own words
        read([])  # type: ignore[operator]


@pytest.mark.parametrize(
    ("share", "value"), [(0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1, 100)]
)
def test_a_percentile_is_one_of_the_values(share: float, value: int) -> None:
    assert percentile(range(100, 0, -1), share) == value
