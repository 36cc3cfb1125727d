"""Counts over time: ask until the answer is complete, and add up the parts. No I/O of its own."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cli.query.reader import Parameters, ServiceReader

PATH = "/events/stats"


class Window(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """A window of time, in RFC 3339."""

    start: str
    end: str


class Value(msgspec.Struct):
    """A value of the field that is grouped by."""

    value: str
    count: int


class Groups(msgspec.Struct):
    """The groups of a bar."""

    values: list[Value]
    other: int
    missing: int


class Bar(msgspec.Struct):
    """A bar, which begins `at` and has no groups unless they are asked for."""

    at: str
    count: int
    groups: Groups | None = None


class Counts(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """An answer of `GET /events/stats`, or several that were added up."""

    start: str
    end: str
    interval: str
    total: int
    complete: bool
    covered: Window
    bars: list[Bar]
    next: str | None


_read = msgspec.json.Decoder(Counts).decode


@dataclass
class _Sum:
    """The counts of one bar in all answers."""

    count: int = 0
    values: Counter[str] = field(default_factory=Counter)
    other: int = 0
    missing: int = 0
    is_grouped: bool = False

    def add(self, bar: Bar) -> None:
        self.count += bar.count
        if bar.groups is not None:
            self.is_grouped = True
            self.values.update({each.value: each.count for each in bar.groups.values})
            self.other += bar.groups.other
            self.missing += bar.groups.missing

    def as_bar(self, at: str) -> Bar:
        if not self.is_grouped:
            return Bar(at, self.count)
        values = [Value(value, count) for value, count in self.values.most_common()]
        return Bar(at, self.count, Groups(values, self.other, self.missing))


def growing(reader: ServiceReader, asked: Parameters) -> Iterator[Counts]:
    """Yield the counts after each answer, until they are complete. Raises `ReadError`."""
    answer = _read(reader.get(PATH, asked).body)
    yield answer
    sums: dict[str, _Sum] = {}
    _add(sums, answer)
    whole = answer
    while answer.next is not None:
        answer = _read(reader.get(PATH, [*asked, ("next", answer.next)]).body)
        _add(sums, answer)
        whole = _joined(whole, answer, sums)
        yield whole


def _add(sums: dict[str, _Sum], answer: Counts) -> None:
    for bar in answer.bars:
        sums.setdefault(bar.at, _Sum()).add(bar)


def _joined(before: Counts, answer: Counts, sums: Mapping[str, _Sum]) -> Counts:
    """Return everything so far. Answers go from the newest events to the oldest."""
    return Counts(
        before.start,
        before.end,
        before.interval,
        before.total + answer.total,
        answer.next is None and answer.complete,
        Window(answer.covered.start, before.covered.end),
        [sums[at].as_bar(at) for at in sorted(sums)],
        answer.next,
    )


def named_values(counts: Counts) -> list[tuple[str, int]]:
    """Return the values of all bars together, the most frequent first."""
    total: Counter[str] = Counter()
    for bar in counts.bars:
        if bar.groups is not None:
            total.update({each.value: each.count for each in bar.groups.values})
    return total.most_common()


def as_document(counts: Any) -> dict[str, Any]:
    """Return an answer with the names of the fields that the service gives them."""
    document: dict[str, Any] = msgspec.to_builtins(counts)
    return document
