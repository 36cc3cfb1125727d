"""Read all events that match, oldest first, in pages that are short transactions of their own.

A snapshot held open for the whole export would keep PostgreSQL from removing old row versions, and
slow writers down. So only the end is fixed, when the export begins. Keys never change: an event
that was stored by then is read exactly once. One that is stored later is read if its place is
still ahead.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from storage.errors import QueryTooSlow
from storage.events.conditions import row_by_row
from storage.events.export_lines import Key, between, edge_query, key_query, lines_query
from storage.model.event import created_at_of_id, decode_event
from storage.model.filters import Filters
from storage.postgres.interrupt import Interrupt
from storage.postgres.read_router import ReadRouter, T

PAGE_ROWS = 2_000
PAGE_BYTES = 4 * 1024 * 1024  # a page ends early past this
PAGE_MS = 2_000  # of each statement: what takes longer is tried again in a narrower span of time
# Rows a round trip, few enough for memory if they are large.
_OPTIONS = {"yield_per": 250}

# Filters that no index orders are read span by span. A span is as wide as was quick before.
_FIRST_ROWS = 20_000
_QUICK_SECONDS = 0.25
_CHANGE = 8
_NARROWEST = timedelta(milliseconds=1)  # the resolution of `created_at`
_WIDEST = timedelta(days=400)


class ExportPage(NamedTuple):
    """Lines of JSON without line ends; there may be none though the export goes on."""

    lines: list[str]
    is_last: bool


class Export:
    """One export. Each call of `begin` and `next` is one short transaction, and may block.

    After an error the same call may be repeated. Both raise what `transaction` raises, and
    QueryTooSlow for what takes too long however narrow.
    """

    def __init__(
        self, router: ReadRouter, filters: Filters, interrupt: Interrupt, rows: int = PAGE_ROWS
    ) -> None:
        """Set the filters: of them, `limit` and `order` say nothing here.

        `cursor` is the id of the last event that the client has, `rows` of a page the maximum.
        """
        self._router = router
        self._after = _place_of(filters.cursor)
        self._filters = replace(filters, cursor=None)
        self._query = lines_query(self._filters, rows)
        self._interrupt = interrupt
        self._rows = rows
        self._end: Key | None = None
        self._width: timedelta | None = None  # of the next span; None: all that is left

    def begin(self) -> None:
        """Fix the end: the newest event that is stored now, whatever the filters but their time."""
        self._end = self._run(self._find_end)

    def _find_end(self, connection: sa.Connection) -> Key | None:
        first = connection.execute(edge_query(self._filters, self._after, False)).one_or_none()
        last = connection.execute(edge_query(self._filters, self._after, True)).one_or_none()
        if first is None or last is None:
            return None
        self._after = self._after or Key.ahead(first[0])
        if row_by_row(self._filters):
            self._width = self._first_width(connection, self._after)
        return Key(*last)

    def _run(self, read: Callable[[sa.Connection], T]) -> T:
        """Read in a transaction of its own, which `interrupt` may end."""

        def watched(connection: sa.Connection) -> T:
            with self._interrupt.watching(connection):
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {PAGE_MS}")
                return read(connection)

        return self._router.read(watched)

    def next(self) -> ExportPage:
        """Return the next page, in the order of time. Nothing follows one with `is_last`."""
        if self._end is None or self._after is None:
            return ExportPage([], True)
        until = self._until(self._after, self._end)
        begun = time.monotonic()
        try:
            lines = self._read(self._after, until)
        except QueryTooSlow:
            self._narrow(self._after)
            return ExportPage([], False)
        if self._width and time.monotonic() - begun < _QUICK_SECONDS:
            self._width = min(self._width * _CHANGE, _WIDEST)
        is_full = len(lines) == self._rows or sum(map(len, lines)) > PAGE_BYTES
        self._after = _key_of(lines[-1]) if is_full else until
        return ExportPage(lines, not is_full and until == self._end)

    def _until(self, after: Key, end: Key) -> Key:
        return end if self._width is None else min(end, Key.behind(after.created_at + self._width))

    def _read(self, after: Key, until: Key) -> list[str]:
        return self._run(lambda connection: self._lines(connection, after, until))

    def _lines(self, connection: sa.Connection, after: Key, until: Key) -> list[str]:
        lines: list[str] = []
        size = 0
        found = connection.execute(self._query, between(after, until), execution_options=_OPTIONS)
        with found as rows:
            for some in rows.scalars().partitions():
                lines += some
                size += sum(map(len, some))
                if self._interrupt.is_set:
                    raise QueryTooSlow("nobody wants the export any more")
                if size > PAGE_BYTES:
                    break
        return lines

    def _narrow(self, after: Key) -> None:
        """Try less next time. Raises QueryTooSlow if that is not possible, or nobody wants it."""
        if self._interrupt.is_set or (self._width or _WIDEST) <= _NARROWEST:
            raise QueryTooSlow("a millisecond of an export was not read in time")
        if self._width is None:
            self._width = self._run(lambda on: self._first_width(on, after)) or _WIDEST
        else:
            self._width = max(self._width / _CHANGE, _NARROWEST)

    def _first_width(self, connection: sa.Connection, after: Key) -> timedelta | None:
        """Return how far the next _FIRST_ROWS rows reach, None if there are fewer."""
        row = connection.scalar(key_query(self._filters, after, _FIRST_ROWS))
        return None if row is None else max(row - after.created_at, _NARROWEST)


def _place_of(cursor: UUID | None) -> Key | None:
    """Return the place of an event by its id, which has its time: stored events are like that."""
    return None if cursor is None else Key(created_at_of_id(cursor), cursor)


def _key_of(line: str) -> Key:
    event = decode_event(line)
    # Not the time of the id: a row that another program wrote may have another one.
    return Key(datetime.fromisoformat(event.created_at), UUID(event.id))
