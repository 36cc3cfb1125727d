"""The answer of `GET /events/stats`. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

import msgspec

from api.query.statistics import places
from api.query.statistics.params import StatsQuestion
from storage.model.cached_page import CachedPage
from storage.statistics.bars import instant_text
from storage.statistics.reader import Counted
from storage.statistics.tally import Groups


class Value(msgspec.Struct):
    """A value, and how many events have it."""

    value: str
    count: int


class BarGroups(msgspec.Struct):
    """The values in a bar, the most frequent first; they add up to the bar's count."""

    values: list[Value]
    other: int
    missing: int


class Bar(msgspec.Struct):
    """How many events there are from `at` until the next bar begins."""

    at: str
    count: int
    groups: BarGroups | None


class Covered(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """What is counted: from `start` until just before `end`."""

    start: str
    end: str


class Stats(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """The counts of a window, or of the part of it that is covered."""

    start: str
    end: str
    interval: str
    total: int
    complete: bool
    covered: Covered
    bars: list[Bar]
    next: str | None


def render(asked: StatsQuestion, counted: Counted) -> CachedPage:
    """Return the answer as JSON, with its ETag."""
    stats = Stats(
        instant_text(counted.window.start),
        instant_text(counted.window.end),
        counted.interval,
        counted.tally.total,
        counted.next is None,
        Covered(instant_text(counted.since), instant_text(counted.until)),
        list(_bars(counted, asked.question.group is not None)),
        places.encode(counted.next, asked.minute, asked.key) if counted.next else None,
    )
    return CachedPage.of(msgspec.json.encode(stats) + b"\n")


def _bars(counted: Counted, is_grouped: bool) -> Iterator[Bar]:
    """Yield the bars of which something is counted: what is not known is no zero."""
    first = max(bisect_right(counted.starts, counted.since) - 1, 0)
    for bar in range(first, bisect_left(counted.starts, counted.until)):
        groups = _groups(counted.tally.groups(bar)) if is_grouped else None
        yield Bar(instant_text(counted.starts[bar]), counted.tally.count(bar), groups)


def _groups(found: Groups) -> BarGroups:
    return BarGroups([Value(*each) for each in found.values], found.other, found.missing)
