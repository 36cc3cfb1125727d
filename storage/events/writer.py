"""Store a batch: events, dead letters and counts, in one transaction under the drain's fence."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.errors import DatabaseUnavailable, LeaseLost
from storage.events.feed_numbers import SET_NUMBER
from storage.events.insertion import FindForeign, Refusal, insert_events
from storage.events.refusals import RefusalWindow
from storage.model.entries import EntryBatch, Erased, Unreadable
from storage.model.event import MAX_DATETIME_MS, Event, encode_event, hours_of, to_datetime
from storage.model.wal_position import WalPosition
from storage.postgres import partitions, schema
from storage.postgres.engine import transaction
from storage.postgres.tables import dead_letters
from storage.postgres.wal import written_if_known

_LAST_FENCE = "SELECT (SELECT fence FROM drain_ledger WHERE shard = %(shard)s), "
_LAST_FENCE += schema.COMMENT
_TERMINATE_STALE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %(session)s
    AND datname = current_database() AND pid <> pg_backend_pid();
"""
# No entry comes after the last ID that its stream has given. A ledger position that does belongs to
# an earlier stream, which somebody has deleted: start the count of the present stream again. The
# new fence keeps a drain that has read the earlier stream from committing later.
_TERMINATE_STALE += """
    UPDATE drain_ledger SET entry = '0-0', fence = %(fence)s
    WHERE shard = %(shard)s AND fence <= %(fence)s
    AND string_to_array(entry, '-')::numeric[] > string_to_array(%(last)s, '-')::numeric[]
"""
# Several statements in one text are one round trip; the last one's result is returned.
# `recent_from` spares readers of the feed old partitions. It is raised from time to time, and after
# a batch with an older event.
# A trigger that would refuse a row only at COMMIT must do so while the row can still be removed.
_CLAIM = """
    SET CONSTRAINTS ALL IMMEDIATE;
    SET LOCAL application_name = %(session)s;
    INSERT INTO drain_ledger AS ledger (shard, fence, batches, recent_after, recent_from)
    VALUES (%(shard)s, %(fence)s, 1, 1, now() - interval '3 hours')
    ON CONFLICT (shard) DO UPDATE SET fence = excluded.fence, batches = ledger.batches + 1,
    (recent_after, recent_from) = (
        SELECT CASE WHEN is_recent THEN ledger.recent_after ELSE ledger.batches + 1 END,
            CASE WHEN is_recent THEN ledger.recent_from ELSE now() - interval '3 hours' END
        FROM (VALUES (ledger.recent_from BETWEEN now() - interval '6 hours' AND %(oldest)s)) AS of (
            is_recent
        )
    )
    WHERE ledger.fence <= excluded.fence RETURNING entry,
"""
_CLAIM += SET_NUMBER  # the number in the feed of all that the transaction stores
_RECORD_COUNTS = """
    UPDATE drain_ledger SET entry = %(entry)s, stored = stored + %(stored)s,
    dead = dead + %(dead)s, duplicates = duplicates + %(duplicates)s WHERE shard = %(shard)s
"""
_RECORD_ERASED = """
    UPDATE drain_ledger SET erased = erased + %(erased)s WHERE shard = %(shard)s
"""
_RECORD_HOURS = """
    INSERT INTO erasure_hours (hour, erasure)
    SELECT CAST(hour || ':00Z' AS timestamptz), CAST(erasure AS uuid)
    FROM unnest(%(hours)s, %(erasures)s) AS touched (hour, erasure) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch's events.

    `stored`: rows new to `events`; `dead`: rows new to `dead_letters`, of those that are `refused`.
    All other events were stored before.
    """

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

    def close(self) -> None:
        """Close the session."""
        self._engine.dispose()

    def last_fence(self, shard: int) -> int:
        """Return the highest fence that has written for the shard, 0 if none has.

        Raises SchemaTooNew if the tables are those of a later version.
        """
        with transaction(self._engine) as connection:
            fence, comment = connection.exec_driver_sql(_LAST_FENCE, {"shard": shard}).one()
        schema.require_known(comment)
        return int(fence or 0)

    def terminate_stale_sessions(
        self, shard: int, fence: int = 0, last_id: bytes | None = None
    ) -> None:
        """End the database sessions that earlier drains of this shard have left behind.

        A session that is paused in the middle of a COPY would keep the shard's row locked.
        `last_id` is the last ID that the stream had given when the drain with this fence began;
        None if unknown.
        """
        last = (last_id or b"Infinity-0").decode()
        stale = {"session": _session_name(shard), "shard": shard, "fence": fence, "last": last}
        with transaction(self._engine) as connection:
            connection.exec_driver_sql(_TERMINATE_STALE, stale)

    def ensure_partitions(self, events: Sequence[Event]) -> None:
        """Create the partitions that the events need. Raises PartitionNameTaken."""
        hours = hours_of(events)  # no partition is shorter
        if all(partitions.covers(self._spans, hour) for hour in hours):
            return
        groups = partitions.groups(self._spans, hours, self._partition_by, datetime.now(UTC))
        for unit, some in groups:
            with transaction(self._engine) as connection:
                self._spans = partitions.ensure(connection, some, unit)
            partitions.require(self._spans, some, unit)

    @contextmanager
    def batch(
        self, shard: int, fence: int, oldest_ms: int | None = None
    ) -> Iterator["BatchTransaction"]:
        """Run the transaction of one batch, and commit it at the end of the block.

        No other drain of this shard commits while the block runs. `oldest_ms`: the earliest
        `created_at` of its events; None if unknown. Raises LeaseLost if a later
        fence has written, DatabaseUnavailable if PostgreSQL can't be reached.
        """
        try:
            with transaction(self._engine) as connection:
                position = _claim(connection, shard, fence, oldest_ms)
                batch = BatchTransaction(connection, shard, position, self._window)
                yield batch
            self._window.add(batch.events, batch.refused)
        except DatabaseUnavailable:
            self._spans = []  # a partition may have been dropped: ask for the spans again
            raise

    def written_wal(self) -> WalPosition | None:
        """Return a place in the WAL behind all that is committed; None if it can't be read."""
        return written_if_known(self._engine)


class BatchTransaction:
    """The steps of a drain between claiming the shard and committing."""

    def __init__(
        self, connection: sa.Connection, shard: int, position: str, window: RefusalWindow
    ) -> None:
        self._connection = connection
        self._shard = shard
        self._position = position
        self._window = window
        self.events = self.refused = 0  # accepted ones only

    @property
    def connection(self) -> sa.Connection:
        """Return the connection, for what must be asked in this transaction."""
        return self._connection

    def insert(
        self,
        events: Sequence[Event],
        text: bytes | None = None,
        find_foreign: FindForeign = frozenset,
    ) -> Outcome:
        """Insert the events that are not stored yet, and make dead letters of the refused ones.

        The arguments are those of `insert_events`. Raises RefusedShare if so many accepted events
        are refused, in this batch or in the last minutes, that poison can't be the reason.
        """
        if not events:
            return Outcome(0, [])
        stored, refused = insert_events(self._connection, events, text, find_foreign)
        accepted = [refusal for refusal in refused if not refusal.foreign]
        if accepted:
            self._window.require_few(len(events), len(accepted), accepted[-1].reason)
        self.events += len(events)
        self.refused += len(accepted)
        return Outcome(stored, refused, sum(map(self._add_refused, refused)))

    def add_dead_letters(self, unreadable: Sequence[Unreadable]) -> int:
        """Make dead letters of entries that are no events. Return how many are new.

        Raises RefusedShare if so many of them were accepted as events that poison can't be the
        reason (but events of a newer version, say). Entries that nobody has accepted don't count.
        """
        accepted = [entry for entry in unreadable if entry.event_id]
        if accepted:
            self._window.require_few(len(accepted), len(accepted), accepted[-1].reason)
        self.events += len(accepted)
        self.refused += len(accepted)
        return sum(map(self._add_unreadable, unreadable))

    def record_counts(self, batch: EntryBatch, stored: int, dead: int) -> None:
        """Record in the ledger what became of the batch: each entry once, however often it is read.

        `stored` and `dead` entries are new to `events` and to `dead_letters`.
        """
        if batch.erased and batch.erased.hours:
            self._record_hours(batch.erased)
        fresh = batch.count_behind(self._position)
        if not fresh:
            return
        erased = batch.count_erased_behind(self._position)
        counts = {
            "shard": self._shard,
            "entry": batch.entries[-1].decode(),
            "stored": stored,
            "dead": dead,
            "duplicates": fresh - stored - dead - erased,
            "erased": erased,
        }
        self._connection.exec_driver_sql(_RECORD_COUNTS, counts)
        if erased:
            self._connection.exec_driver_sql(_RECORD_ERASED, counts)

    def _record_hours(self, erased: Erased) -> None:
        """Record what an erasure touches: a killed drain may have left the bytes in these files."""
        erasures, hours = zip(*erased.hours, strict=True)
        touched = {"hours": list(hours), "erasures": list(map(str, erasures))}
        self._connection.exec_driver_sql(_RECORD_HOURS, touched)

    def _add_refused(self, refusal: Refusal) -> int:
        event = refusal.event
        created_at = datetime.fromisoformat(event.created_at)
        return self._add_dead_letter(
            created_at, UUID(event.id), encode_event(event), refusal.reason
        )

    def _add_unreadable(self, entry: Unreadable) -> int:
        letter_id = UUID(bytes=entry.letter_id(self._shard))
        created_at = entry.letter_time(self._shard)
        reason = f"{entry.reason} (shard {self._shard}, entry {entry.entry.decode()})"
        return self._add_dead_letter(created_at, letter_id, entry.raw, reason)

    def _add_dead_letter(
        self, created_at: datetime, letter_id: UUID, raw: bytes, reason: str
    ) -> int:
        row = {"created_at": created_at, "id": letter_id, "event": raw, "reason": reason}
        add = insert(dead_letters).values(row).on_conflict_do_nothing()
        return self._connection.execute(add).rowcount


def _claim(connection: sa.Connection, shard: int, fence: int, oldest_ms: int | None) -> str:
    """Claim the shard for the transaction. Return the last entry that the ledger accounts for."""
    oldest = None if oldest_ms is None else to_datetime(min(oldest_ms, MAX_DATETIME_MS))
    claim = {"session": _session_name(shard), "shard": shard, "fence": fence, "oldest": oldest}
    position = connection.exec_driver_sql(_CLAIM, claim).scalar()
    if position is None:
        raise LeaseLost(f"shard {shard}: a drain with a later fence than {fence} has written")
    return str(position)


def _session_name(shard: int) -> str:
    return f"activity-drain-{int(shard)}"
