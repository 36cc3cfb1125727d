"""Read a span of time from its newest slice to its oldest, until a budget of time is used up.

Nobody knows beforehand how long a slice takes. So PostgreSQL cancels each one at a time limit. A
slice that was cancelled is tried again, much narrower. After a quick slice, a wider one follows. At
least one slice is read, or the last attempt fails with QueryTooSlow: once the budget is used up, or
FIRST_SECONDS if that is longer. Between two slices the reader rests as long as it is told to: then
slices are as short as the work that is allowed, and the budget has room for fewer.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import sqlalchemy as sa

from storage.errors import QueryTooSlow
from storage.postgres.engine import READ_LIMIT_MS
from storage.server_errors import is_cancelled
from storage.statistics.rests import RestAfter, Rests, no_rest

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

FIRST_SECONDS = 2.0
"""The least budget of the first slice."""

_SHARE = 4  # slices that may reach their time limit within the budget
_AIM = 8  # slices that the budget should have room for
_GROWTH = 8.0  # of the next slice at most; and a slice that took too long is narrowed so much
_FIRST_GROWTH = 64.0  # narrowed so much while there is no progress: few attempts fit in the budget
_MIN_SECONDS = 0.005
_SHORT_SECONDS = 1.0  # of a query that reads little
# The limit of savepoints: one that is cancelled would abort the transaction.
NARROWEST = timedelta(milliseconds=1)
"""The resolution of `created_at`."""


class TooMuch(Exception):
    """A slice holds more than its reader may return: try a narrower one."""


class Source(Protocol[T_co]):
    """What is read in slices."""

    def width(self, connection: sa.Connection, start: datetime, end: datetime) -> timedelta:
        """Return the length of the newest part of this span that is read soon. One short query."""

    def start(self, instant: datetime) -> datetime:
        """Return the instant, at most an hour earlier, at which a slice starts best."""

    def read(self, connection: sa.Connection, start: datetime, end: datetime) -> T_co:
        """Read a slice. Raises TooMuch."""


class Slices:
    """Reads slices in one transaction, within one budget of `seconds` for all spans.

    `is_unwanted` is asked between two slices, and ends the reading. `begun`: when the budget began,
    by `time.monotonic`; now, unless given.
    """

    def __init__(
        self,
        connection: sa.Connection,
        seconds: float,
        is_unwanted: Callable[[], bool],
        begun: float | None = None,
        rest_after: RestAfter = no_rest,
    ) -> None:
        self._connection = connection
        self._budget = seconds
        self._first_budget = max(seconds, FIRST_SECONDS)
        self._begun = time.monotonic() if begun is None else begun
        self._is_unwanted = is_unwanted
        self._rests = Rests(rest_after, is_unwanted)
        self._has_progress = False

    def anew(self, share: float = 1.0) -> "Slices":
        """Return the reader of other slices with a share of the budget, that began with this one.

        At least one slice of it is read.
        """
        seconds = self._budget * share
        again = Slices(self._connection, seconds, self._is_unwanted, self._begun)
        again._first_budget = self._first_budget * share
        again._rests = self._rests
        return again

    @property
    def is_over(self) -> bool:
        """Whether the budget is used up."""
        return self._left(self._budget) <= 0

    def look(self, query: Callable[[sa.Connection], T]) -> tuple[T] | None:
        """Return the result of a short query, None if it takes too long. Raises DBAPIError."""
        return self._within(_SHORT_SECONDS, lambda: query(self._connection))

    def read(
        self, start: datetime, end: datetime, source: Source[T]
    ) -> Iterator[tuple[datetime, T]]:
        """Yield each slice of the span, newest first: its start, and what was read of it.

        A slice ends where the one before it starts, the first one at `end`. Where the budget is
        used up, the oldest slices are left out. Raises QueryTooSlow if it was used up before the
        first slice, and DBAPIError.
        """
        width, tries = None, 0
        while end > start and self._may_go_on():
            with self._rests.work():
                width = width or self._first_width(start, end, source)
                at = _start_of(start, end, width, source)
                begun = time.monotonic()
                found = self._try(at, end, source, self._limit(tries))
                seconds = time.monotonic() - begun
            if found is None:
                width, tries = self._narrowed(end - at, start, end, source), tries + 1
                continue
            self._has_progress = True
            yield at, found[0]
            width, tries = (end - at) * self._growth(seconds), 0
            end = at

    def _may_go_on(self) -> bool:
        if self._has_progress:
            self._rests.rest(self._begun + self._budget)
        if self._is_unwanted():
            return False
        if not self._has_progress:
            if self._left(self._first_budget) > 0:
                return True
            raise QueryTooSlow("not even the narrowest slice of time was counted in time")
        return self._left(self._budget) > min(_MIN_SECONDS, self._budget / _AIM)

    def _left(self, seconds: float) -> float:
        return self._begun + seconds - time.monotonic()

    def _limit(self, tries: int) -> float:
        """Return the seconds for a slice; without any progress they double with each try."""
        share = max(self._budget / _SHARE, _MIN_SECONDS)
        if self._has_progress:
            return min(share, max(self._left(self._budget), _MIN_SECONDS))
        return min(share * 2.0**tries, max(self._left(self._first_budget), _MIN_SECONDS))

    def _growth(self, seconds: float) -> float:
        aim = self._budget / _AIM
        aim = max(aim * self._rests.share, min(aim, _MIN_SECONDS))
        return min(_GROWTH, max(1 / _GROWTH, aim / max(seconds, 1e-6)))

    def _first_width(self, start: datetime, end: datetime, source: Source[T]) -> timedelta:
        found = self.look(lambda connection: source.width(connection, start, end))
        return found[0] if found else NARROWEST

    def _narrowed(
        self, tried: timedelta, start: datetime, end: datetime, source: Source[T]
    ) -> timedelta:
        growth = _GROWTH if self._has_progress else _FIRST_GROWTH
        return max(min(tried / growth, self._first_width(start, end, source)), NARROWEST)

    def _try(
        self, start: datetime, end: datetime, source: Source[T], seconds: float
    ) -> tuple[T] | None:
        """Return what was read, None if the slice is too large or takes too long."""
        try:
            return self._within(seconds, lambda: source.read(self._connection, start, end))
        except TooMuch:
            if end - start <= NARROWEST:
                raise QueryTooSlow("a millisecond has more different values than allowed") from None
            return None

    def _within(self, seconds: float, query: Callable[[], T]) -> tuple[T] | None:
        """Return the result of a query, None if PostgreSQL cancels it at this time limit.

        Savepoints have the limit of the session: cancelled, they would abort the transaction.
        """
        try:
            with self._connection.begin_nested():  # the snapshot outlives a cancelled query
                self._allow(max(1, int(seconds * 1000)))
                found = query()
                self._allow(READ_LIMIT_MS)
                return (found,)
        except sa.exc.DBAPIError as error:
            if is_cancelled(error):
                return None
            raise

    def _allow(self, limit_ms: int) -> None:
        self._connection.exec_driver_sql(f"SET LOCAL statement_timeout = {limit_ms}")


def _start_of(start: datetime, end: datetime, width: timedelta, source: Source[T]) -> datetime:
    """Return where a slice of about this width starts. No instant before `start` may exist."""
    if end - start <= max(width, NARROWEST):
        return start
    return max(start, min(source.start(end - width), end - NARROWEST))
