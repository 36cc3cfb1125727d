"""Positions in the feed, and what is left to read behind them. Pure.

`storage.events.feed_numbers` says what the numbers mean.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from storage.events.feed_numbers import ERASURES, number_of, writer_and_batch


class Key(NamedTuple):
    """The place of an event in the feed; `feed` is its number."""

    feed: int
    created_at: datetime
    id: UUID


FIRST = Key(0, datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
"""Before every event without a number."""


@dataclass(frozen=True, slots=True)
class Within:
    """Where an unfinished read stopped: behind `last`. It reads `to` these batches of writers."""

    last: Key
    to: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Position:
    """What a reader has seen: for each writer all of its first batches, 0 if it is not named.

    While a read is unfinished, `within` says what it has seen beyond that.
    """

    feed_id: str
    batches: Mapping[int, int]
    within: Within | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the feed: the events with a number above `low` and up to `high`, behind `last`.

    The part with `high` 0 has the events without a number. `since`: no event of the part was
    created before, as far as is known.
    """

    low: int
    high: int
    last: Key | None = None
    since: datetime | None = None

    @property
    def is_history(self) -> bool:
        """Return whether its events were stored before there were numbers."""
        return self.high == 0


@dataclass(frozen=True, slots=True)
class Recent:
    """What a writer's batches above `after` have: no event that was created before `since`."""

    after: int
    since: datetime

    def bound(self, part: Part) -> Part:
        """Return the writer's part with this bound, if it holds for all of it."""
        lowest = max(part.low, part.last.feed - 1 if part.last else 0)
        return replace(part, since=self.since) if lowest >= self.after else part


def reach(position: Position, head: Position) -> Mapping[int, int]:
    """Return to which batches a read goes on: those of `head`, which may be older than it is."""
    if position.within:
        return position.within.to
    return later(position.batches, head.batches)


def later(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    """Return the later batch of each writer."""
    writers = sorted(one.keys() | other.keys())
    return {each: max(one.get(each, 0), other.get(each, 0)) for each in writers}


def parts(position: Position, to: Mapping[int, int]) -> Iterator[Part]:
    """Yield what is left of a read up to these batches, in its order: a part for each writer."""
    last = position.within.last if position.within else None
    if last and last.feed == 0:
        yield Part(-1, 0, last)
        last = None
    for writer in sorted(to.keys() - {ERASURES}):  # its batches have no events
        low, high = (number_of(writer, of.get(writer, 0)) for of in (position.batches, to))
        if low < high and (last is None or last.feed <= high):
            yield Part(low, high, last if last and last.feed > low else None)


def is_ahead(position: Position, head: Position) -> bool:
    """Return whether the position knows of batches that the head does not."""
    seen = later(position.batches, reach(position, position))
    return any(batch > head.batches.get(each, 0) for each, batch in seen.items())


def stopped(position: Position, last: Key, to: Mapping[int, int]) -> Position:
    """Return the position of a read that stopped behind `last`."""
    return Position(position.feed_id, position.batches, Within(last, to))


def notices(position: Position, head: Position) -> tuple[int, int]:
    """Return the numbers behind which and up to which notices of erasures are left to read."""
    low, high = (number_of(ERASURES, of.batches.get(ERASURES, 0)) for of in (position, head))
    return low, high


def told(position: Position, batch: int) -> Position:
    """Return the position of a reader that knows the notices up to this batch of erasures."""
    if batch == position.batches.get(ERASURES, 0):
        return position
    within = position.within
    if within is not None:
        within = replace(within, to={**within.to, ERASURES: batch})
    return replace(position, batches={**position.batches, ERASURES: batch}, within=within)


def finished(position: Position, to: Mapping[int, int]) -> Position:
    """Return the position of a read that came to its end."""
    return Position(position.feed_id, later(position.batches, to))


def skipped_parts(position: Position, head: Position) -> Iterator[Part]:
    """Yield all between the position and the head."""
    to = reach(position, head)
    yield from parts(position, to)
    yield from parts(finished(position, to), head.batches)


def batches_behind(position: Position, head: Position) -> int:
    """Count the committed batches of which events may be left to read.

    The events without a number count as one batch.
    """
    seen = dict(position.batches)
    within = position.within
    if within is None:
        return _missing(seen, head)
    if within.last.feed == 0:
        return 1 + _missing(seen, head)
    writer, batch = writer_and_batch(within.last.feed)
    seen |= {each: to for each, to in within.to.items() if each < writer}
    seen[writer] = max(seen.get(writer, 0), batch - 1)
    return _missing(seen, head)


def _missing(seen: Mapping[int, int], head: Position) -> int:
    return sum(max(0, batch - seen.get(each, 0)) for each, batch in head.batches.items())
