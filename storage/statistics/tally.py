"""Add up the counts of slices: bars, and in each bar the most frequent values. Pure.

The values to name are chosen once. So the counts of answers that continue each other can be added:
a value that one answer names is never in the `other` of another one.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from storage.statistics.counts import MAX_ROWS, Count

MAX_NAMED = 50
"""Values that an answer and those that continue it name, all others count as `other`."""

MARK_BYTES = 8

Mark = bytes
"""A short hash of a value that is named."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The counts in one bar, the most frequent value first; `missing`: without any value."""

    values: list[tuple[str, int]]
    other: int
    missing: int


class Tally:
    """The counts of some bars. `named`: values that an earlier answer has named."""

    def __init__(self, named: Iterable[Mark] = ()) -> None:
        self._named = set(named)
        self._totals: Counter[int] = Counter()  # by bar
        self._missing: Counter[int] = Counter()
        self._other: Counter[int] = Counter()
        self._values: dict[str, Counter[int]] = {}
        self._pairs = 0
        self._is_settled = len(self._named) >= MAX_NAMED

    @property
    def total(self) -> int:
        """The number of events in all bars."""
        return self._totals.total()

    def add(self, counts: Iterable[Count]) -> None:
        """Add what was counted in a slice."""
        for bar, value, is_missing, count in counts:
            self._totals[bar] += count
            if value is not None:
                self._add_value(bar, value, count)
            elif is_missing:
                self._missing[bar] += count
            else:
                self._other[bar] += count
        if self._pairs > MAX_ROWS:
            self.settle()

    def settle(self) -> list[Mark]:
        """Choose the values that are named, the others are `other` from now on; return all named.

        Values that an earlier answer has named stay. The most frequent of the rest fill the places
        that are free.
        """
        ordered = sorted(
            self._values,
            key=lambda value: (
                _mark(value) not in self._named,
                -self._values[value].total(),
                value,
            ),
        )
        kept = len(self._named.intersection(map(_mark, ordered)))
        free = kept + MAX_NAMED - len(self._named)
        for value in ordered[free:]:
            self._other.update(self._values.pop(value))
        self._named.update(map(_mark, self._values))
        self._pairs = sum(map(len, self._values.values()))
        self._is_settled = len(self._named) >= MAX_NAMED
        return sorted(self._named)

    def count(self, bar: int) -> int:
        """Return the number of events in a bar."""
        return self._totals[bar]

    def groups(self, bar: int) -> Groups:
        """Return the groups of a bar, after `settle`."""
        found = [(value, counts[bar]) for value, counts in self._values.items() if bar in counts]
        found.sort(key=lambda each: (-each[1], each[0]))
        return Groups(found, self._other[bar], self._missing[bar])

    def _add_value(self, bar: int, value: str, count: int) -> None:
        if self._is_settled and _mark(value) not in self._named:
            self._other[bar] += count
            return
        counts = self._values.setdefault(value, Counter())
        self._pairs += bar not in counts
        counts[bar] += count


def _mark(value: str) -> Mark:
    return blake2b(value.encode(), digest_size=MARK_BYTES).digest()
