"""Read on a standby what it surely has, and everything else on the primary.

A reader says which place in the WAL a standby must have replayed: one behind every commit that
anybody may know of. The standby is asked in a statement before the snapshot is taken. It is waited
for WAIT_SECONDS at most. Whatever goes wrong on a standby, the primary answers.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import TypeVar

import sqlalchemy as sa

from storage.errors import QueryTooSlow, StorageError
from storage.metrics.instruments import standby_reads
from storage.model.wal_position import WalPosition
from storage.postgres.connector import impatient
from storage.postgres.engine import ANSWER_SECONDS, autocommit, transaction
from storage.postgres.standby import Standby, replayed_on
from storage.server_errors import database_errors, is_recovery_conflict

WAIT_SECONDS = 0.05
CONNECT_SECONDS = 1.0

_FIRST_PAUSE, _LAST_PAUSE = 0.001, 0.008
_REPLAYED = "replayed"  # key in a connection's record: how far the standby has come, at least

T = TypeVar("T")
Work = Callable[[sa.Connection], T]
"""Reads in one transaction. It may be called a second time, on another server."""


class ReadRouter:
    """Runs reads, each in one transaction of a standby or of the primary. Threads may share it."""

    def __init__(
        self,
        primary: sa.Engine,
        standbys: Sequence[tuple[Standby, sa.Engine]] = (),
        required: Callable[[], WalPosition | None] = lambda: None,
    ) -> None:
        """Take the engines: those of standbys may be none.

        `required` tells the place that a standby must have replayed; None if it is unknown.
        """
        self._primary = primary
        self._standbys = standbys
        self._required = required
        self._turn = count()

    def read(self, work: Work[T]) -> T:
        """Read what anybody may know of, wherever that is. Raises as `transaction` does."""
        found = self.on_standby(work)
        return found[0] if found else self.on_primary(work)

    def read_from(self, wal: WalPosition | None, work: Work[T]) -> T:
        """Read likewise; `wal` is the place, None if it is unknown."""
        found = self._routed(wal, work) if self._standbys else None
        return found[0] if found else self.on_primary(work)

    def on_primary(self, work: Work[T]) -> T:
        """Read on the primary. Raises as `transaction` does."""
        with transaction(self._primary) as connection:
            return work(connection)

    def on_standby(self, work: Work[T]) -> tuple[T] | None:
        """Read on a standby. Return None if the primary must be asked. Raises QueryTooSlow."""
        return self._routed(self._required(), work) if self._standbys else None

    def close(self) -> None:
        """Close the connections."""
        for engine in (self._primary, *(engine for _, engine in self._standbys)):
            engine.dispose()

    def _routed(self, wal: WalPosition | None, work: Work[T]) -> tuple[T] | None:
        outcome, found = self._try_standby(wal, work)
        standby_reads[outcome].add()
        return found

    def _try_standby(self, wal: WalPosition | None, work: Work[T]) -> tuple[str, tuple[T] | None]:
        """Return the outcome for `standby_reads`, with what a standby has found."""
        if wal is None:
            return "unknown", None
        askable = [pair for pair in self._standbys if pair[0].is_askable]
        if not askable:
            return "away", None
        standby, engine = askable[next(self._turn) % len(askable)]
        try:
            with _session(engine) as connection:
                if not _waits_for(standby, connection, wal):
                    return "behind", None
                with impatient(ANSWER_SECONDS, standby.is_lost), connection.begin():
                    return "standby", (work(connection),)
        except (StorageError, sa.exc.DBAPIError) as error:
            if not is_recovery_conflict(error):
                if isinstance(error, QueryTooSlow):
                    raise
                standby.pause()
            return "failed", None


@contextmanager
def _session(engine: sa.Engine) -> Iterator[sa.Connection]:
    with database_errors():
        with impatient(CONNECT_SECONDS):
            connection = engine.connect()
        with connection:
            yield connection


def _waits_for(standby: Standby, connection: sa.Connection, wal: WalPosition) -> bool:
    """Return whether the standby has replayed up to this place, once it has or it takes too long.

    It never goes back while a connection lasts.
    """
    seen = connection.info.get(_REPLAYED)
    if seen and seen.includes(wal):
        standby.is_late = False
        return True
    # Statements by themselves: a snapshot of before the last of them would be too old.
    with impatient(WAIT_SECONDS), autocommit(connection):
        end, pause = time.monotonic() + WAIT_SECONDS * (not standby.is_late), _FIRST_PAUSE
        while (found := replayed_on(connection)) and found.position[:2] == wal[:2]:
            connection.info[_REPLAYED] = found.position
            is_here = found.position.includes(wal)
            if is_here or time.monotonic() > end:
                standby.is_late = not is_here
                return is_here
            time.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)
    return False
