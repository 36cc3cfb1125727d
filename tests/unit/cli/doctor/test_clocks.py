"""A clock is compared within half of the round trip; a slow answer proves nothing."""

from collections.abc import Callable, Iterator

import pytest

from cli.doctor.clocks import HERE, Reading, greatest_skew, read_clock


def ticking(*times: float) -> Callable[[], float]:
    ticks: Iterator[float] = iter(times)
    return lambda: next(ticks)


def test_the_reading_of_the_shortest_round_trip_counts() -> None:
    here = ticking(0, 10, 100, 100.2, 200, 202, 300, 301, 400, 402)
    there = ticking(50, 105.1, 201, 300, 401)
    found = read_clock(there, here)
    assert found.offset == pytest.approx(5.0)
    assert found.error == pytest.approx(0.1)


def test_a_clock_that_goes_back_during_the_round_trip_makes_the_reading_worse() -> None:
    found = read_clock(lambda: 100.0, ticking(*[100, 40] * 5))
    assert found.error == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("offsets", "names", "least"),
    [
        ({"queue": 0.5, "control": 0.0}, ("here", "queue"), 0.48),
        ({"queue": 2.0, "control": -2.0}, ("queue", "control"), 3.96),
        ({"queue": 0.0, "control": 0.0}, ("queue", "control"), 0.0),
    ],
)
def test_the_two_clocks_that_differ_most_are_named(
    offsets: dict[str, float], names: tuple[str, str], least: float
) -> None:
    readings = {"here": HERE, **{name: Reading(each, 0.02) for name, each in offsets.items()}}
    found = greatest_skew(readings)
    assert found.names == names
    assert found.least == pytest.approx(least)
    assert found.most >= found.least
