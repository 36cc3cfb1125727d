"""Read the feed: every stored event that matches, exactly once, from a position on."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import sqlalchemy as sa

from storage.errors import FeedNotReady, FeedReplaced
from storage.events.feed_numbers import ERASURES, number_of, writer_and_batch
from storage.events.page_rows import PAGE_BYTES, event_of, read_rows
from storage.feed.position import (
    FIRST,
    Key,
    Part,
    Position,
    Recent,
    Within,
    batches_behind,
    finished,
    is_ahead,
    later,
    notices,
    parts,
    reach,
    skipped_parts,
    stopped,
    told,
)
from storage.feed.queries import (
    HEAD,
    NOTICE_BATCHES,
    RECENT,
    count_query,
    notices_query,
    part_query,
)
from storage.model.event import Event
from storage.model.filters import Filters
from storage.postgres.engine import TimeLeft, transaction
from storage.postgres.partition_indexes import latest_without

WALK = 10_000
"""Rows that one read looks at, at most, whether they match or not."""


class Notice(NamedTuple):
    """An erasure has deleted a stored event, or else written over an address in it."""

    id: str
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Events in the feed's order, and the position behind them.

    `keys`: the place of each event; `to`: the batches to which the read goes on. `behind`:
    committed batches of which events may be left to read; 0 if the reader is up to date. A page may
    have no events and still be behind: then its read saw none that match. `erased`: stored events
    that were deleted or redacted since; the reader may have seen some of them.
    """

    events: list[Event]
    next: Position
    behind: int
    keys: Sequence[Key] = ()
    to: Mapping[int, int] = field(default_factory=dict)
    erased: Sequence[Notice] = ()


class Skipped(NamedTuple):
    """How many matching events a reader misses that goes on at `next`."""

    missed: int
    next: Position


class FeedReader:
    """Reads the feed, each call in a transaction of its own. Threads may share it.

    Every call raises DatabaseUnavailable, and DatabaseMismatch before the migration of the feed.
    """

    def __init__(self, engine: sa.Engine, walk: int = WALK) -> None:
        """Use an engine whose transactions are snapshots (`reading_engine`)."""
        self._engine = engine
        self._walk = walk
        self._is_ready = False

    def now(self) -> Position:
        """Return the position behind everything that is committed: one query of a few rows."""
        with transaction(self._engine) as connection:
            return _head(connection).position

    def start(self) -> Position:
        """Return the position before everything that is stored."""
        with transaction(self._engine) as connection:
            head = _head(connection)
        return head.start

    def read(
        self, position: Position, filters: Filters, limit: int, head: Position | None = None
    ) -> FeedPage:
        """Return the next `limit` events that match, at most, and the position behind them.

        Of the filters, `limit`, `order` and `cursor` say nothing here. `head`: what `now` has
        returned a moment ago, if several readers share it. Raises FeedReplaced, FeedNotReady,
        QueryTooSlow.
        """
        assert limit > 0
        with transaction(self._engine) as connection:
            head = self._usable(connection, position, head)
            to = reach(position, head)
            page = _Page(connection, filters, limit, self._walk)
            is_finished = all(map(page.take, _bounded(connection, parts(position, to))))
            erased, batch = _notices(connection, position, head, page.filters)
        following = finished(position, to) if is_finished else stopped(position, page.last, to)
        following = told(following, batch)
        behind = batches_behind(following, head)
        return FeedPage(page.events, following, behind, page.keys, to, erased)

    def skip(self, position: Position, filters: Filters) -> Skipped:
        """Return how many events that match come after the position, and the position behind them.

        Raises FeedReplaced, QueryTooSlow.
        """
        with transaction(self._engine) as connection:
            head = self._usable(connection, position, None)
            wanted, time_left, missed = replace(filters, cursor=None), TimeLeft(), 0
            for part in _bounded(connection, skipped_parts(position, head)):
                time_left.allow(connection)
                missed += connection.scalar(count_query(part, wanted)) or 0
        to = later(reach(position, head), head.batches)
        # What was erased is told all the same: the reader may have it.
        batch = position.batches.get(ERASURES, 0)
        return Skipped(missed, told(finished(position, to), batch))

    def _usable(
        self, connection: sa.Connection, position: Position, head: Position | None
    ) -> Position:
        """Return the head, read anew if it is behind the position. Check both."""
        self._require_indexes(connection)
        if head is None or head.feed_id != position.feed_id or is_ahead(position, head):
            found = _head(connection)
            head = found.position
            if head.feed_id != position.feed_id:
                raise FeedReplaced("the position is one of another feed")
            if is_ahead(position, head) and not found.is_standby:
                raise FeedReplaced("the database is an older copy of the one of the position")
        return head

    def _require_indexes(self, connection: sa.Connection) -> None:
        if not self._is_ready:
            if partition := latest_without(connection, "events_feed"):
                raise FeedNotReady(f"maintenance has to make the feed's index of {partition}")
            self._is_ready = True


class _Page:
    """The events of one read, as they are taken from part after part."""

    def __init__(self, connection: sa.Connection, filters: Filters, limit: int, walk: int) -> None:
        self._connection = connection
        self.filters = replace(filters, cursor=None)
        self._limit = limit
        self._walk = walk
        self._time_left = TimeLeft()
        self._bytes = 0
        self.events: list[Event] = []
        self.keys: list[Key] = []
        self.last = FIRST

    def take(self, part: Part) -> bool:
        """Take the events of the part. Return whether all of it was looked at."""
        room = self._limit - len(self.events)
        query = part_query(part, self.filters, self._walk, room + 1)
        with closing(read_rows(self._connection, query, self._time_left)) as rows:
            return all(map(self._add, rows))

    def _add(self, row: Any) -> bool:
        """Add the event of a row. Return whether the read goes on behind it."""
        key = Key(row.feed, row.created_at, row.id)
        if row.matches:
            if len(self.events) == self._limit or self._bytes > PAGE_BYTES:
                return False
            self.events.append(event_of(row))
            self.keys.append(key)
            self._bytes += len(row.message) + len(row.data or "")
        self.last = key
        return not row.is_last


def _bounded(connection: sa.Connection, some: Iterator[Part]) -> Iterator[Part]:
    """Yield the parts with bounds of time, which spare PostgreSQL the older partitions."""
    recent: dict[int, Recent] | None = None
    for part in some:
        if recent is None:
            recent = {
                row.shard: Recent(number_of(row.shard, row.recent_after), row.recent_from)
                for row in connection.execute(RECENT)
            }
        writer, _ = writer_and_batch(part.high)
        yield recent[writer].bound(part) if writer in recent and part.high else part


def _notices(
    connection: sa.Connection, position: Position, head: Position, filters: Filters
) -> tuple[list[Notice], int]:
    """Return the next notices of erasures, and up to which batch they are read."""
    low, high = notices(position, head)
    if low >= high:
        return [], writer_and_batch(low)[1]
    rows = connection.execute(notices_query(low, high, filters)).all()
    last = rows[-1].feed if rows else high
    is_whole = len({row.feed for row in rows}) < NOTICE_BATCHES
    found = [Notice(str(row.id), row.is_deleted) for row in rows if row.is_shown]
    return found, writer_and_batch(high if is_whole else last)[1]


class _Head(NamedTuple):
    position: Position
    start: Position
    is_standby: bool


def _head(connection: sa.Connection) -> _Head:
    rows = connection.execute(HEAD).all()
    first = rows[0]
    batches = {row.shard: row.batches for row in rows if row.shard is not None}
    position = Position(str(first.feed_id), batches)
    # Whoever begins has nothing that was erased.
    told = {each: batch for each, batch in batches.items() if each == ERASURES}
    start = Position(str(first.feed_id), told)
    if first.last_unnumbered is not None:
        start = replace(start, within=Within(FIRST, batches))
    return _Head(position, start, first.is_standby)
