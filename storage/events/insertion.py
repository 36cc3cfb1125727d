"""Insert events into the table, and part those that PostgreSQL refuses from the others.

A refused batch is halved until the refused rows stand alone. It all happens inside the caller's
transaction, behind savepoints.
"""

import io
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from storage.errors import DatabaseUnavailable, RefusedShare
from storage.events import ngrams
from storage.events.copy_format import COLUMNS, column_values, copy_text
from storage.events.refusals import tolerated
from storage.model.event import Event
from storage.postgres.engine import WRITE_LIMIT_MS, driver_connection
from storage.server_errors import Meaning, describe, lacks_partition, meaning, sqlstate

_COPY = f"SAVEPOINT part; COPY {{table}} ({COLUMNS}) FROM STDIN"
_RELEASE = "RELEASE SAVEPOINT part"
_ROLL_BACK = f"ROLLBACK TO SAVEPOINT part; {_RELEASE}"
_STAGE = """
    CREATE TEMP TABLE IF NOT EXISTS staging (LIKE events) ON COMMIT DELETE ROWS;
    DELETE FROM staging
"""
_INSERT = f"INSERT INTO events ({COLUMNS}) SELECT {COLUMNS} FROM staging"
_INSERT += " ON CONFLICT (created_at, id) DO NOTHING"  # another unique index refuses a row
_ONE = f"INSERT INTO events ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
_ONE += " ON CONFLICT (created_at, id) DO NOTHING"
_SAVE = "SET CONSTRAINTS ALL IMMEDIATE; SAVEPOINT part"  # a trigger refuses here, not at COMMIT
_UNIQUE_VIOLATION = "23505"

FindForeign = Callable[[], Collection[int]]
"""Returns which of the events, by position, no API process has accepted."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An event that PostgreSQL will never take, and why.

    `foreign`: no API process has accepted it.
    """

    event: Event
    reason: str
    foreign: bool = False


def insert_events(
    connection: sa.Connection,
    events: Sequence[Event],
    text: bytes | None = None,
    find_foreign: FindForeign = frozenset,
) -> tuple[int, list[Refusal]]:
    """Insert the events that are not stored yet.

    `text` is `copy_text(events)`, if the caller has it already. `find_foreign` is called only if an
    event is refused. Returns the number of new rows, and the events that PostgreSQL refuses for
    good.

    Raises:
        RefusedShare: so many accepted events are refused that poison can't be the reason.
        DatabaseUnavailable: it takes too long, or a partition is missing.
    """
    # PostgreSQL itself drops a transaction's time limit at its first error (seen in 18.6).
    end = time.monotonic() + WRITE_LIMIT_MS / 1000
    stored = 0
    refusals = _Refusals(len(events), find_foreign)
    pending = [range(len(events))]
    while pending:
        positions = pending.pop()
        whole = len(positions) == len(events)
        part = events if whole else events[positions.start : positions.stop]
        try:
            stored += _store(connection, (text if whole else None) or copy_text(part))
            if not whole:  # hundreds of nested savepoints would take minutes
                connection.exec_driver_sql(_RELEASE)
            continue
        except sa.exc.DBAPIError as error:
            reason = _refusal_reason(error)
        if time.monotonic() > end:
            raise DatabaseUnavailable("a batch with refused events took too long")
        connection.exec_driver_sql(_ROLL_BACK)
        if len(positions) > 1:
            middle = len(positions) // 2
            pending += [positions[middle:], positions[:middle]]
        else:
            refusals.add(positions.start, part[0], reason)
    ngrams.flag_late_spans(connection, events)
    return stored, refusals.refused


def insert_event(connection: sa.Connection, event: Event) -> tuple[bool, str | None]:
    """Insert one event, unless it is stored already, without COPY.

    So a process may call this that has bounded its waits (`storage.postgres.engine`). Returns
    whether the row is new, and why PostgreSQL refuses it for good. Raises DatabaseUnavailable.
    """
    connection.exec_driver_sql(_SAVE)
    try:
        is_new = connection.exec_driver_sql(_ONE, column_values(event)).rowcount > 0
    except (ValueError, sa.exc.DBAPIError) as error:
        # psycopg2 raises ValueError for a NUL, which it does not send.
        reason = _refusal_reason(error) if isinstance(error, sa.exc.DBAPIError) else str(error)
        connection.exec_driver_sql(_ROLL_BACK)
        return False, reason
    ngrams.flag_late_spans(connection, [event])
    return is_new, None


class _Refusals:
    """The refused events of a batch; few of them may be accepted ones."""

    def __init__(self, events: int, find_foreign: FindForeign) -> None:
        self._events = events
        self._find_foreign = find_foreign
        self._foreign: Collection[int] = ()
        self._accepted = 0
        self.refused: list[Refusal] = []

    def add(self, position: int, event: Event, reason: str) -> None:
        """Add one. Raises RefusedShare."""
        if not self.refused:
            self._foreign = self._find_foreign()
        foreign = position in self._foreign
        self.refused.append(Refusal(event, reason, foreign))
        self._accepted += not foreign
        limit = tolerated(self._events - len(self._foreign))
        if self._accepted > limit:
            raise RefusedShare(
                f"more than {limit} of {self._events} events were refused, the last: {reason}"
            )


def _store(connection: sa.Connection, text: bytes) -> int:
    """Insert rows that are not stored yet; return how many.

    Nearly always all rows are new, and are copied straight into the table. Only if one is stored
    already, they go through a staging table, which costs more.
    """
    try:
        return _copy(connection, "events", text)
    except sa.exc.DBAPIError as error:
        if sqlstate(error) != _UNIQUE_VIOLATION:
            raise
    connection.exec_driver_sql(_ROLL_BACK)
    connection.exec_driver_sql(_STAGE)
    _copy(connection, "staging", text)
    return connection.exec_driver_sql(_INSERT).rowcount


def _copy(connection: sa.Connection, table: str, text: bytes) -> int:
    with driver_connection(connection) as driver, driver.cursor() as cursor:
        cursor.copy_expert(_COPY.format(table=table), io.BytesIO(text), size=1 << 20)
        return int(cursor.rowcount)


def _refusal_reason(error: sa.exc.DBAPIError) -> str:
    """Return why PostgreSQL will never take these rows. Raises any other kind of failure."""
    if meaning(error) is not Meaning.REFUSAL:
        raise error
    if lacks_partition(error):
        raise DatabaseUnavailable("a partition is missing") from error
    return describe(error)
