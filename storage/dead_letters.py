"""Dead letters: accepted events that PostgreSQL refused, until an operator decides about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from storage.access.actor import actor as operating_system_user
from storage.access.audit import DONE, REFUSED, AuditLine, add_lines
from storage.cache import tags
from storage.cache.invalidation import CacheInvalidator
from storage.events import feed_numbers
from storage.events.insertion import insert_event
from storage.events.writer import BatchWriter
from storage.model.entries import read_event
from storage.model.event import MAX_DATETIME_MS, created_ms, id_ms, to_datetime
from storage.postgres import locks
from storage.postgres.engine import transaction
from storage.postgres.locks import Lock
from storage.postgres.tables import dead_letters
from storage.postgres.wal import written, written_if_known

_MAX_LISTED_BYTES = 65_536

# A replay begins and ends cache writes as a drain does, under a writer's name of its own.
_WRITER = "replay"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The original bytes of an event that PostgreSQL refused, or of an entry that is no event."""

    id: UUID
    created_at: datetime
    event: bytes
    reason: str
    refused_at: datetime


@dataclass(frozen=True, slots=True)
class ListedLetter:
    """A dead letter in a list. `event`: its bytes; None if they are too many for a list."""

    id: UUID
    created_at: datetime
    refused_at: datetime
    reason: str
    size: int
    event: bytes | None


@dataclass(frozen=True, slots=True)
class Original:
    """A dead letter with the first of its `size` bytes."""

    letter: DeadLetter
    size: int


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of a dead letter that was replayed; `reason`: why it is still one.

    `stored_already`: `events` had the event before, so nothing but the dead letter is removed.
    `gone`: it was no dead letter any more, because another replay or a discard came before.
    """

    result: Literal["stored", "stored_already", "refused", "gone"]
    reason: str | None = None


class DeadLetters:
    """What an operator can do with dead letters. Every call raises DatabaseUnavailable."""

    def __init__(
        self,
        engine: sa.Engine,
        partition_by: str,
        invalidator: CacheInvalidator,
        actor: str | None = None,
    ) -> None:
        """`actor`: who acts, for the audit log; None for the user of the operating system."""
        self._actor = actor or operating_system_user()
        self._engine = engine
        self._writer = BatchWriter(engine, partition_by)
        self._invalidator = invalidator

    def newest(self, limit: int) -> Sequence[DeadLetter]:
        """Return the `limit` latest ones, the latest first."""
        query = _letters().order_by(dead_letters.c.refused_at.desc()).limit(limit)
        with transaction(self._engine) as connection:
            return [_letter(row) for row in connection.execute(query)]

    def page(
        self, limit: int, before: UUID | None = None, reason: str | None = None
    ) -> Sequence[ListedLetter]:
        """Return the `limit` newest ones, the newest event first.

        `before`: only those after this one in the list. `reason`: only those whose reason contains
        this text.
        """
        columns, size = dead_letters.c, sa.func.octet_length(dead_letters.c.event)
        event = sa.case((size <= _MAX_LISTED_BYTES, columns.event))
        query = sa.select(
            columns.id, columns.created_at, columns.refused_at, columns.reason, size, event
        )
        if before is not None:
            place = sa.tuple_(sa.literal(_created_at(before)), sa.literal(before))
            query = query.where(sa.tuple_(columns.created_at, columns.id) < place)
        if reason is not None:
            query = query.where(sa.func.strpos(columns.reason, reason) > 0)
        newest = query.order_by(columns.created_at.desc(), columns.id.desc()).limit(limit)
        with transaction(self._engine) as connection:
            return [_listed(row) for row in connection.execute(newest)]

    def original(self, event_id: UUID, max_bytes: int) -> Original | None:
        """Return one with at most so many of its bytes, None if there is none."""
        columns = dead_letters.c
        event = sa.func.substring(columns.event, 1, max_bytes)
        size = sa.func.octet_length(columns.event)
        query = sa.select(
            columns.id, columns.created_at, event, columns.reason, columns.refused_at, size
        ).where(_is(event_id))
        with transaction(self._engine) as connection:
            row = connection.execute(query).first()
        return Original(_letter(row[:5]), row[5]) if row else None

    def find(self, event_id: UUID) -> DeadLetter | None:
        """Return one by its event's ID, None if there is none."""
        with transaction(self._engine) as connection:
            row = connection.execute(_letters().where(_is(event_id))).first()
        return _letter(row) if row else None

    def replay(self, letter: DeadLetter) -> str | None:
        """Store the event after all. Return None if it is stored, else why it is refused again.

        Raises as `store` does.
        """
        return self.store(letter).reason

    def store(self, letter: DeadLetter) -> Replay:
        """Store the event after all, once, whoever else replays or discards the dead letter.

        It stays a dead letter until it is stored. Bytes that can't be read as an event stay one: a
        newer version may be able to read them. Raises ControlUnavailable too: the cache write must
        begin before the commit.
        """
        try:
            event = read_event(letter.event)
        except ValueError as error:
            with transaction(self._engine) as connection:
                self._record(connection, "replay", letter.id, REFUSED)
            return Replay("refused", str(error))
        changed, oldest_ms = tags.of_events([event]), created_ms(event)
        self._writer.ensure_partitions([event])
        with transaction(self._engine) as connection:
            # Replays share one writer's pending tags. The lock keeps a later replay from taking a
            # fence before this transaction ends, which would make this one's pending tags void.
            locks.acquire(connection, Lock.REPLAY)
            if not _holds(connection, letter):
                return Replay("gone", "it is no dead letter any more")
            fence = self._invalidator.next_fence(_WRITER)
            feed_numbers.claim(connection, feed_numbers.REPLAY)
            is_new, reason = insert_event(connection, event)
            self._record(connection, "replay", letter.id, REFUSED if reason else DONE)
            if reason is None:
                connection.execute(_delete(letter.id))
                self._invalidator.begin_write(_WRITER, oldest_ms, changed, fence)
        # This also clears the pending tags of an earlier replay that was killed before this line.
        wal = written_if_known(self._engine)
        self._invalidator.end_write(_WRITER, oldest_ms, changed, fence, wal)
        if reason is not None:
            return Replay("refused", reason)
        return Replay("stored" if is_new else "stored_already")

    def end_abandoned_replay(self) -> None:
        """End the cache write of a replay that was killed around its commit.

        Otherwise no page of its tags would be served from the cache. It waits for a running replay.
        Raises ControlUnavailable too.
        """
        if not self._invalidator.has_pending_write(_WRITER):
            return
        with transaction(self._engine) as connection:
            locks.acquire(connection, Lock.REPLAY)
            # Time 0 invalidates every closed page: it is unknown which event the replay stored.
            fence, wal = self._invalidator.next_fence(_WRITER), written(connection)
            self._invalidator.end_write(_WRITER, 0, (), fence, wal)

    def discard(self, event_id: UUID) -> bool:
        """Delete one for good. Return False if there is none with this ID."""
        with transaction(self._engine) as connection:
            found = connection.execute(_delete(event_id)).rowcount > 0
            if found:
                self._record(connection, "discard", event_id, DONE)
        return found

    def _record(self, connection: sa.Connection, act: str, event_id: UUID, result: str) -> None:
        """Add the act to the audit log, in the same transaction. Never a word of the event."""
        line = AuditLine(self._actor, f"dead-letters {act}", str(event_id), result)
        add_lines(connection, [line])


def _letters() -> sa.Select[tuple[UUID, datetime, bytes, str, datetime]]:
    columns = dead_letters.c
    return sa.select(
        columns.id, columns.created_at, columns.event, columns.reason, columns.refused_at
    )


def _holds(connection: sa.Connection, letter: DeadLetter) -> bool:
    """Return whether it is still a dead letter, and keep others from changing it meanwhile.

    An erasure may have changed its bytes since they were read.
    """
    is_same = _is(letter.id) & (dead_letters.c.event == letter.event)
    found = sa.select(dead_letters.c.id).where(is_same).with_for_update()
    return connection.execute(found).first() is not None


def _delete(event_id: UUID) -> sa.Delete:
    return dead_letters.delete().where(_is(event_id))


def _is(event_id: UUID) -> sa.ColumnElement[bool]:
    """Return the condition for one dead letter, which its primary key finds."""
    columns = dead_letters.c
    return (columns.created_at == _created_at(event_id)) & (columns.id == event_id)


def _created_at(event_id: UUID) -> datetime:
    """Return the time of a dead letter, which its id has too (`storage/events/writer.py`)."""
    return to_datetime(min(id_ms(event_id), MAX_DATETIME_MS))


def _letter(row: Any) -> DeadLetter:
    event_id, created_at, event, reason, refused_at = row
    return DeadLetter(event_id, created_at, bytes(event), reason, refused_at)


def _listed(row: Any) -> ListedLetter:
    event_id, created_at, refused_at, reason, size, event = row
    whole = None if event is None else bytes(event)
    return ListedLetter(event_id, created_at, refused_at, reason, size, whole)
