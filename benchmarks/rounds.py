"""Alternating rounds and what is read from them. Pure.

On a shared machine an absolute figure says little: two things are measured in turns, A B A B, each
turn of A is held against the turn of B next to it, and the median of these ratios counts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of what several rounds gave, and the least and greatest of it."""

    median: float
    low: float
    high: float
    rounds: int


def alternate(measures: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Each measure once a round, in turns; what each gave, in order of time."""
    found: dict[str, list[T]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    return found


def spread(values: Sequence[float]) -> Spread:
    """The median and its surroundings. Raises ValueError when there are none."""
    if not values:
        raise ValueError("no round gave a value")
    return Spread(median(values), min(values), max(values), len(values))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Round by round ours / theirs. Raises ValueError when their numbers differ."""
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of them do not exceed: one of them, the nearest rank.

    Raises ValueError when there are none.
    """
    if not values:
        raise ValueError("a percentile of nothing")
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * share // 1))  # rounded up
    return ordered[int(rank) - 1]
