"""Measure how far another clock is from this machine's. Pure but for the clocks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

_TRIES = 5


@dataclass(frozen=True)
class Reading:
    """Another clock minus this machine's in seconds, and how wrong that may be either way."""

    offset: float
    error: float


@dataclass(frozen=True)
class Skew:
    """Two clocks that differ, and by how many seconds at least and at most."""

    names: tuple[str, str]
    least: float
    most: float


HERE = Reading(0.0, 0.0)


def read_clock(ask: Callable[[], float], clock: Callable[[], float]) -> Reading:
    """Read a clock several times, and return the reading with the shortest round trip.

    The other clock was read at some time of the round trip, most likely in its middle.
    """
    return min((_read_once(ask, clock) for _ in range(_TRIES)), key=lambda one: one.error)


def greatest_skew(readings: Mapping[str, Reading]) -> Skew:
    """Return the two clocks that differ most. There must be two."""
    pairs = (_skew(readings, first, second) for first, second in combinations(readings, 2))
    return max(pairs, key=lambda one: (one.least, one.most))


def _read_once(ask: Callable[[], float], clock: Callable[[], float]) -> Reading:
    before = clock()
    there = ask()
    after = clock()
    half = abs(after - before) / 2
    return Reading(there - (before + after) / 2, half)


def _skew(readings: Mapping[str, Reading], first: str, second: str) -> Skew:
    one, other = readings[first], readings[second]
    apart, error = abs(one.offset - other.offset), one.error + other.error
    return Skew((first, second), max(apart - error, 0.0), apart + error)
