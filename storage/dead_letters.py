"""Dead letters: accepted events that PostgreSQL refused, until an operator decides about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from storage.access.actor import actor as operating_system_user
from storage.access.audit import DONE, REFUSED, AuditLine, add_lines
from storage.cache import tags
from storage.cache.invalidation import CacheInvalidator
from storage.events import feed_numbers
from storage.events.insertion import insert_events
from storage.events.writer import BatchWriter
from storage.model.entries import read_event
from storage.model.event import created_ms
from storage.postgres import locks
from storage.postgres.engine import transaction
from storage.postgres.locks import Lock
from storage.postgres.tables import dead_letters

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

    def find(self, event_id: UUID) -> DeadLetter | None:
        """Return one by its event's ID, None if there is none."""
        with transaction(self._engine) as connection:
            row = connection.execute(_letters().where(dead_letters.c.id == event_id)).first()
        return _letter(row) if row else None

    def replay(self, letter: DeadLetter) -> str | None:
        """Store the event after all. Return None if it is stored, else why it is refused again.

        It stays a dead letter until it is stored. Bytes that can't be read as an event stay one: a
        newer version may be able to read them. Raises ControlUnavailable too: the cache write must
        begin before the commit.
        """
        try:
            event = read_event(letter.event)
        except ValueError as error:
            with transaction(self._engine) as connection:
                self._record(connection, "replay", letter.id, REFUSED)
            return str(error)
        changed, oldest_ms = tags.of_events([event]), created_ms(event)
        self._writer.ensure_partitions([event])
        with transaction(self._engine) as connection:
            # Replays share one writer's pending tags. The lock keeps a later replay from taking a
            # fence before this transaction ends, which would make this one's pending tags void.
            locks.acquire(connection, Lock.REPLAY)
            fence = self._invalidator.next_fence(_WRITER)
            feed_numbers.claim(connection, feed_numbers.REPLAY)
            _, refused = insert_events(connection, [event])
            self._record(connection, "replay", letter.id, REFUSED if refused else DONE)
            if not refused:
                connection.execute(_delete(letter.id))
                self._invalidator.begin_write(_WRITER, oldest_ms, changed, fence)
        # This also clears the pending tags of an earlier replay that was killed before this line.
        self._invalidator.end_write(_WRITER, oldest_ms, changed, fence)
        return refused[0].reason if refused else None

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
            self._invalidator.end_write(_WRITER, 0, (), self._invalidator.next_fence(_WRITER))

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


def _delete(event_id: UUID) -> sa.Delete:
    return dead_letters.delete().where(dead_letters.c.id == event_id)


def _letter(row: sa.Row[tuple[UUID, datetime, bytes, str, datetime]]) -> DeadLetter:
    return DeadLetter(row.id, row.created_at, bytes(row.event), row.reason, row.refused_at)
