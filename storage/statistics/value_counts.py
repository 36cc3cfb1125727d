"""How many events have each value of a field. Pure."""

import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import NamedTuple

import msgspec

MAX_VALUE_BYTES = 255
"""A longer value is not named, but is one of the others. So is one that is longer as JSON writes
it, a control character as six bytes: so the size of an answer has a bound."""

MARK_CHARACTERS = MAX_VALUE_BYTES + 1
"""The length of the mark by which such a value is counted among the different ones."""

_QUOTES = 2  # around a text in JSON
_MAX_CHARACTER_BYTES = 6  # of any character, in JSON
_MAX_UNPACKED = 64 * 1024 * 1024

MAX_VALUES = 100_000
"""Different values that one answer may hold in memory, of all its fields together."""


@dataclass(frozen=True, slots=True)
class Facet:
    """The most frequent values of a field; `other`: events with another value.

    `distinct` counts all different values. It is None where a part is not counted: counts of
    different values can't be added.
    """

    values: list[tuple[str, int]]
    other: int
    missing: int
    distinct: int | None


@dataclass(slots=True)
class ValueCounts:
    """The counts of one field; `missing`: of the events that have no value."""

    values: Counter[str] = field(default_factory=Counter)
    missing: int = 0

    def add(self, value: str | None, count: int) -> None:
        """Add events with one value."""
        if value is None:
            self.missing += count
        else:
            self.values[value] += count

    def merge(self, other: "ValueCounts") -> None:
        """Add the counts of other events."""
        self.values.update(other.values)
        self.missing += other.missing

    def new_values(self, other: "ValueCounts") -> int:
        """Return how many values only the other one has."""
        return len(other.values.keys() - self.values.keys())

    def facet(self, most: int, is_complete: bool) -> Facet:
        """Return the most frequent values, those of equal counts in the order of their text."""
        named = ((-count, value) for value, count in self.values.items() if is_nameable(value))
        top = [(value, -count) for count, value in nsmallest(most, named)]
        other = self.values.total() - sum(count for _, count in top)
        return Facet(top, other, self.missing, len(self.values) if is_complete else None)


Counts = list[ValueCounts]
"""The counts of each field of a question, in one order."""


def empty(fields: int) -> Counts:
    """Return the counts of no events."""
    return [ValueCounts() for _ in range(fields)]


def merge(into: Counts, more: Iterable[ValueCounts]) -> None:
    """Add the counts of other events, field by field."""
    for one, other in zip(into, more, strict=True):
        one.merge(other)


def fits(into: Counts, more: Counts) -> bool:
    """Return whether the counts may be added within MAX_VALUES."""
    held = sum(len(one.values) for one in into)
    new = sum(one.new_values(other) for one, other in zip(into, more, strict=True))
    return held + new <= MAX_VALUES


def is_nameable(value: str) -> bool:
    """Return whether an answer may name the value."""
    if len(value) * _MAX_CHARACTER_BYTES <= MAX_VALUE_BYTES:
        return True
    return len(msgspec.json.encode(value)) <= MAX_VALUE_BYTES + _QUOTES


class _KeptDay(msgspec.Struct, array_like=True):
    since_ms: int
    fields: list[tuple[int, dict[str, int]]]
    marks: list[bytes] | None


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_KeptDay)


class DayCounts(NamedTuple):
    """The counts of a day from `since_ms` (since the epoch) to its end.

    `marks`: of the values that are counted by name, None if all are.
    """

    since_ms: int
    counts: Counts
    marks: frozenset[bytes] | None = None


def pack(day: DayCounts) -> bytes:
    """Serialize the counts of a day."""
    fields: list[tuple[int, dict[str, int]]] = [(one.missing, one.values) for one in day.counts]
    marks = None if day.marks is None else list(day.marks)
    return zlib.compress(_encode(_KeptDay(day.since_ms, fields, marks)), 1)


def unpack(packed: bytes, fields: int) -> DayCounts | None:
    """Return what was packed, None for anything else."""
    try:
        day = _decoder.decode(zlib.decompressobj().decompress(packed, _MAX_UNPACKED))
    except (zlib.error, msgspec.MsgspecError):
        return None
    if len(day.fields) != fields:
        return None
    counts = [ValueCounts(Counter(values), missing) for missing, values in day.fields]
    return DayCounts(day.since_ms, counts, None if day.marks is None else frozenset(day.marks))
