"""Split a span into what the counts by hour can count, and what only the table can. Pure.

An hour that lies in one bar is counted as a whole, any other hour by its minutes. A minute within
which a bar begins is counted in the table. There is one if a request names such an instant, or if a
zone has had an offset with seconds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from storage.statistics.counts import Bars

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Span = tuple[datetime, datetime]


class Minutes(NamedTuple):
    """Whole minutes of an hour that are in one bar, by their positions from 1 to 60."""

    hour: datetime
    first: int
    last: int
    bar: int


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces of a span: hours from `start` to `end` but those in `cut`, minutes, and the rest.

    `rest` is in order.
    """

    start: datetime
    end: datetime
    cut: list[datetime]
    minutes: list[Minutes]
    rest: list[Span]


def pieces(start: datetime, end: datetime, bars: Bars) -> Pieces:
    """Split the span."""
    edges = [start, *bars.between(start, end), end]
    cut = sorted({floor(edge, HOUR) for edge in edges if floor(edge, HOUR) != edge})
    found = Pieces(_ceil(start, HOUR), floor(end, HOUR), cut, [], [])
    by_hour = _by_hour(edges)
    for hour in cut:
        inner = by_hour.get(hour, [])
        for piece in pairwise([max(hour, start), *inner, min(hour + HOUR, end)]):
            _add_piece(found, hour, piece, bars)
    return found


def floor(instant: datetime, length: timedelta) -> datetime:
    """Return the start of the hour or minute, in UTC."""
    return instant - (instant - _EPOCH) % length


def _ceil(instant: datetime, length: timedelta) -> datetime:
    return instant + (_EPOCH - instant) % length


def _by_hour(edges: Iterable[datetime]) -> dict[datetime, list[datetime]]:
    """Return the edges within each hour, without those at its start."""
    found: dict[datetime, list[datetime]] = {}
    for edge in edges:
        hour = floor(edge, HOUR)
        if edge != hour:
            found.setdefault(hour, []).append(edge)
    return found


def _add_piece(found: Pieces, hour: datetime, piece: Span, bars: Bars) -> None:
    start, end = piece
    first, last = _ceil(start, MINUTE), floor(end, MINUTE)
    if first >= last:
        found.rest.extend(_not_empty([piece]))
        return
    bar = bars.position(start)
    found.minutes.append(Minutes(hour, (first - hour) // MINUTE + 1, (last - hour) // MINUTE, bar))
    found.rest.extend(_not_empty([(start, first), (last, end)]))


def _not_empty(spans: Iterable[Span]) -> Iterator[Span]:
    return ((start, end) for start, end in spans if start < end)
