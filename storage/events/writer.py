"""Storing a batch: COPY, insert, dead letters, all in one transaction under the drain's fence."""

import io
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.errors import (
    DatabaseUnavailable,
    LeaseLost,
    Meaning,
    RefusedShare,
    describe,
    lacks_partition,
    meaning,
    sqlstate,
)
from storage.events import ngrams
from storage.events.refusals import RefusalWindow, tolerated
from storage.model.entries import EntryBatch, Unreadable
from storage.model.event import Event, encode_event, hours_of, id_ms, to_datetime
from storage.postgres import partitions
from storage.postgres.engine import WRITE_LIMIT_MS, driver_connection, transaction
from storage.postgres.tables import dead_letters

_COLUMNS = "created_at, id, component, environment, message, email, data"

_LAST_FENCE = "SELECT fence FROM drain_ledger WHERE shard = %(shard)s"
_TERMINATE_STALE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %(session)s
    AND datname = current_database() AND pid <> pg_backend_pid();
"""
# No entry lies behind the last id that its stream has given. A position that does is that of a
# stream before, which somebody has deleted: the one there is now is counted from its beginning. The
# fence keeps a drain that read the stream before from committing later.
_TERMINATE_STALE += """
    UPDATE drain_ledger SET entry = '0-0', fence = %(fence)s
    WHERE shard = %(shard)s AND fence <= %(fence)s
    AND string_to_array(entry, '-')::numeric[] > string_to_array(%(last)s, '-')::numeric[]
"""
# Several statements in one text are one round trip; the last one's answer is what is returned.
# A trigger that would refuse a row only at COMMIT must do so while its row can be removed.
_CLAIM = """
    SET CONSTRAINTS ALL IMMEDIATE;
    SET LOCAL application_name = %(session)s;
    INSERT INTO drain_ledger (shard, fence) VALUES (%(shard)s, %(fence)s)
    ON CONFLICT (shard) DO UPDATE SET fence = excluded.fence
    WHERE drain_ledger.fence <= excluded.fence RETURNING entry
"""
_COPY = f"SAVEPOINT part; COPY {{table}} ({_COLUMNS}) FROM STDIN"
_KEEP = "RELEASE SAVEPOINT part"
_UNDO = f"ROLLBACK TO SAVEPOINT part; {_KEEP}"
_STAGE = """
    CREATE TEMP TABLE IF NOT EXISTS staging (LIKE events) ON COMMIT DELETE ROWS;
    DELETE FROM staging
"""
_INSERT = f"INSERT INTO events ({_COLUMNS}) SELECT {_COLUMNS} FROM staging"
_INSERT += " ON CONFLICT (created_at, id) DO NOTHING"  # another unique index refuses a row
_RECORD_COUNTS = """
    UPDATE drain_ledger SET entry = %(entry)s, stored = stored + %(stored)s,
    dead = dead + %(dead)s, duplicates = duplicates + %(duplicates)s WHERE shard = %(shard)s
"""
_UNIQUE_VIOLATION = "23505"
_LAST_MS = 253_402_300_799_999  # what a `datetime` holds


FindForeign = Callable[[], Collection[int]]  # which of the events, by position, nobody accepted


@dataclass(frozen=True, slots=True)
class Refusal:
    """An event PostgreSQL will never take, and its reason. `foreign`: nobody has accepted it."""

    event: Event
    reason: str
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch: rows new to `events`, refusals, and how many of these are new to
    `dead_letters`. The rest was there already."""

    stored: int
    refused: list[Refusal]
    dead: int = 0


class BatchWriter:
    """Writes the batches of one process's drains."""

    def __init__(self, engine: sa.Engine, partition_by: str) -> None:
        self._engine = engine
        self._partition_by = partition_by
        self._spans: list[partitions.Span] = []
        self._window = RefusalWindow()

    def last_fence(self, shard: int) -> int:
        """The highest fence that has written for the shard, 0 for none."""
        with transaction(self._engine) as connection:
            return connection.exec_driver_sql(_LAST_FENCE, {"shard": shard}).scalar() or 0

    def terminate_stale_sessions(
        self, shard: int, fence: int = 0, last_id: bytes | None = None
    ) -> None:
        """End the sessions that earlier drains of this shard have left behind.

        One that is paused in the middle of a COPY holds the shard's row until then. `last_id` is
        the last one that the stream had given when the drain of that fence began, None: unknown.
        """
        last = (last_id or b"Infinity-0").decode()
        found = {"session": _session_name(shard), "shard": shard, "fence": fence, "last": last}
        with transaction(self._engine) as connection:
            connection.exec_driver_sql(_TERMINATE_STALE, found)

    def ensure_partitions(self, events: Sequence[Event]) -> None:
        """Make the partitions the events need that are missing. Raises PartitionNameTaken."""
        hours = hours_of(events)  # no partition is shorter
        if all(partitions.covers(self._spans, hour) for hour in hours):
            return
        with transaction(self._engine) as connection:
            self._spans = partitions.ensure(connection, hours, self._partition_by)
        partitions.require(self._spans, hours, self._partition_by)

    @contextmanager
    def batch(self, shard: int, fence: int) -> Iterator["BatchTransaction"]:
        """The transaction of one batch: commits at the end of the block.

        From here to its end no other drain of this shard commits. Raises LeaseLost when a later
        fence has written, DatabaseUnavailable when PostgreSQL is away.
        """
        try:
            with transaction(self._engine) as connection:
                position = _claim(connection, shard, fence)
                found = BatchTransaction(connection, shard, position, self._window)
                yield found
            self._window.add(found.events, found.refused)
        except DatabaseUnavailable:
            self._spans = []  # a partition may have been dropped meanwhile: look again
            raise


class BatchTransaction:
    """What a drain may do between claiming the shard and committing."""

    def __init__(
        self, connection: sa.Connection, shard: int, position: str, window: RefusalWindow
    ) -> None:
        self._connection = connection
        self._shard = shard
        self._position = position
        self._window = window
        self.events = self.refused = 0  # of those that were accepted

    def insert(
        self,
        events: Sequence[Event],
        text: bytes | None = None,
        find_foreign: FindForeign = frozenset,
    ) -> Outcome:
        """Insert what is not there yet; dead-letter what PostgreSQL refuses for good.

        `text` is what `copy_text` makes of the events, where that is done already. `find_foreign`
        is called only where an event is refused. Raises RefusedShare when PostgreSQL refuses so
        many accepted events that poison can't be the reason.
        """
        if not events:
            return Outcome(0, [])
        stored, refused = insert_events(self._connection, events, text, find_foreign)
        guilty = [one for one in refused if not one.foreign]
        if guilty:
            self._window.require_few(len(events), len(guilty), guilty[-1].reason)
        self.events += len(events)
        self.refused += len(guilty)
        return Outcome(stored, refused, sum(map(self._add_refused, refused)))

    def add_dead_letters(self, unreadable: Sequence[Unreadable]) -> int:
        """Make dead letters of entries that are no events; how many are new.

        Raises RefusedShare when so many of them were accepted as events that poison can't be the
        reason: an event of a newer version, say. What somebody else wrote counts for nothing.
        """
        accepted = [one for one in unreadable if one.event_id]
        if accepted:
            self._window.require_few(len(accepted), len(accepted), accepted[-1].reason)
        self.events += len(accepted)
        self.refused += len(accepted)
        return sum(map(self._add_unreadable, unreadable))

    def record_counts(self, batch: EntryBatch, stored: int, dead: int) -> None:
        """Enter the batch into the ledger: each entry once, however often it is read.

        `stored` and `dead` of them are new to `events` and to `dead_letters`.
        """
        fresh = batch.count_behind(self._position)
        if not fresh:
            return
        counts = {
            "shard": self._shard,
            "entry": batch.entries[-1].decode(),
            "stored": stored,
            "dead": dead,
            "duplicates": fresh - stored - dead,
        }
        self._connection.exec_driver_sql(_RECORD_COUNTS, counts)

    def _add_refused(self, refusal: Refusal) -> int:
        event = refusal.event
        created_at = datetime.fromisoformat(event.created_at)
        return self._add_dead_letter(
            created_at, UUID(event.id), encode_event(event), refusal.reason
        )

    def _add_unreadable(self, found: Unreadable) -> int:
        letter_id = UUID(bytes=found.letter_id(self._shard))
        created_at = to_datetime(min(id_ms(letter_id), _LAST_MS))
        place = f"shard {self._shard}, entry {found.entry.decode()}"
        return self._add_dead_letter(created_at, letter_id, found.raw, f"{found.reason} ({place})")

    def _add_dead_letter(
        self, created_at: datetime, letter_id: UUID, raw: bytes, reason: str
    ) -> int:
        row = {"created_at": created_at, "id": letter_id, "event": raw, "reason": reason}
        add = insert(dead_letters).values(row).on_conflict_do_nothing()
        return self._connection.execute(add).rowcount


def insert_events(
    connection: sa.Connection,
    events: Sequence[Event],
    text: bytes | None = None,
    find_foreign: FindForeign = frozenset,
) -> tuple[int, list[Refusal]]:
    """Insert what is not there yet: the number of new rows, and what PostgreSQL refuses for good.

    A refused batch is halved until the guilty rows stand alone. Raises RefusedShare when there
    are so many accepted ones that poison can't be the reason, DatabaseUnavailable when it takes
    too long.
    """
    # PostgreSQL itself forgets a transaction's limit at its first error (seen in 18.6).
    end = time.monotonic() + WRITE_LIMIT_MS / 1000
    stored = 0
    found = _Refusals(len(events), find_foreign)
    pending = [range(len(events))]
    while pending:
        places = pending.pop()
        whole = len(places) == len(events)
        part = events if whole else events[places.start : places.stop]
        try:
            stored += _store(connection, (text if whole else None) or copy_text(part))
            if not whole:  # savepoints inside each other by the hundred take minutes
                connection.exec_driver_sql(_KEEP)
            continue
        except sa.exc.DBAPIError as error:
            reason = _refusal(error)
        if time.monotonic() > end:
            raise DatabaseUnavailable("a batch with refused events took too long")
        connection.exec_driver_sql(_UNDO)
        if len(places) > 1:
            middle = len(places) // 2
            pending += [places[middle:], places[:middle]]
        else:
            found.add(places.start, part[0], reason)
    ngrams.flag_late_spans(connection, events)
    return stored, found.refused


class _Refusals:
    """The refused events of a batch: few of those that were accepted."""

    def __init__(self, events: int, find_foreign: FindForeign) -> None:
        self._events = events
        self._find_foreign = find_foreign
        self._foreign: Collection[int] = ()
        self._accepted = 0
        self.refused: list[Refusal] = []

    def add(self, position: int, event: Event, reason: str) -> None:
        """One more. Raises RefusedShare."""
        if not self.refused:
            self._foreign = self._find_foreign()
        foreign = position in self._foreign
        self.refused.append(Refusal(event, reason, foreign))
        self._accepted += not foreign
        most = tolerated(self._events - len(self._foreign))
        if self._accepted > most:
            raise RefusedShare(f"over {most} of {self._events} refused, last: {reason}")


def _store(connection: sa.Connection, text: bytes) -> int:
    """Insert what is not there yet; the number of new rows.

    Nearly always all are new, and go straight into the table. Only where one is there already
    they take another way, which costs more.
    """
    try:
        return _copy(connection, "events", text)
    except sa.exc.DBAPIError as error:
        if sqlstate(error) != _UNIQUE_VIOLATION:
            raise
    connection.exec_driver_sql(_UNDO)
    connection.exec_driver_sql(_STAGE)
    _copy(connection, "staging", text)
    return connection.exec_driver_sql(_INSERT).rowcount


def _copy(connection: sa.Connection, table: str, text: bytes) -> int:
    with driver_connection(connection) as driver, driver.cursor() as cursor:
        cursor.copy_expert(_COPY.format(table=table), io.BytesIO(text), size=1 << 20)
        return int(cursor.rowcount)


def copy_text(events: Sequence[Event]) -> bytes:
    """Rows in PostgreSQL's COPY text format, in the order of the staging columns."""
    return "".join(map(_row, events)).encode()


def _row(event: Event) -> str:
    email, data = event.email, str(event.data, "utf-8")
    values: Iterable[str] = (event.component, event.environment, event.message, email or "", data)
    # Hardly any has to be escaped: all are looked at once, and each by itself only where one has.
    joined = "\t".join(values)
    if "\\" in joined or "\n" in joined or "\r" in joined or joined.count("\t") > 4:
        values = map(_escaped, values)
    component, environment, message, email_text, data_text = values
    return (
        f"{event.created_at}\t{event.id}\t{component}\t{environment}\t{message}\t"
        f"{_NULL if email is None else email_text}\t{_NULL if data == 'null' else data_text}\n"
    )


_NULL = "\\N"
_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def _escaped(value: str) -> str:
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], value)


def _claim(connection: sa.Connection, shard: int, fence: int) -> str:
    """The last entry of the shard that is accounted for."""
    claim = {"session": _session_name(shard), "shard": shard, "fence": fence}
    position = connection.exec_driver_sql(_CLAIM, claim).scalar()
    if position is None:
        raise LeaseLost(f"a later drain than fence {fence} has written for shard {shard}")
    return str(position)


def _session_name(shard: int) -> str:
    return f"activity-drain-{int(shard)}"


def _refusal(error: sa.exc.DBAPIError) -> str:
    """Why PostgreSQL will never take these rows; raises what is another kind of failure."""
    if meaning(error) is not Meaning.REFUSAL:
        raise error
    if lacks_partition(error):
        raise DatabaseUnavailable("a partition is missing") from error
    return describe(error)
