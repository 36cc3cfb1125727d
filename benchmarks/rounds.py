"""Run measures in turns and compute ratios. Pure.

On a shared machine an absolute figure says little. So two measures take turns, A B A B; each turn
of A is divided by the turn of B next to it, and the median of these ratios counts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median, minimum and maximum of several rounds."""

    median: float
    low: float
    high: float
    rounds: int


def alternate(measures: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Run each measure once a round; return the results in order of time."""
    found: dict[str, list[T]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    return found


def spread(values: Sequence[float]) -> Spread:
    """Return median, minimum and maximum. Raises ValueError when `values` is empty."""
    if not values:
        raise ValueError("no round gave a value")
    return Spread(median(values), min(values), max(values), len(values))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return ours / theirs, round by round. Raises ValueError when their numbers differ."""
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the percentile by nearest rank: the value that `share` (0 to 1) do not exceed.

    Raises ValueError when there are no values.
    """
    if not values:
        raise ValueError("a percentile needs a value")
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * share // 1))  # rounded up
    return ordered[int(rank) - 1]
