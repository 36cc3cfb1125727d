"""Remove one partition, step by step; killed at any of them, a later run goes on from there.

1. Its row in `removed_partitions` is committed: whoever finds it knows that the table is ours to
   drop, also when it is no partition any more.
2. The cache write with every tag begins, the partition is detached, and the cache write ends.
3. What belongs to the partition is deleted: n-grams, and dead letters that are as old.
4. One transaction drops the table and deletes its counts, and records that it is gone.

If a legal hold comes between the steps, the partition is attached again.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert, insert

from storage.access.audit import AuditLine, Detail, add_lines
from storage.cache.renewal import CacheRenewal
from storage.errors import DatabaseUnavailable
from storage.postgres import locks
from storage.postgres.engine import transaction
from storage.postgres.locks import Lock
from storage.postgres.partitions import Span
from storage.postgres.tables import removed_partitions
from storage.postgres.wal import written_if_known
from storage.retention import belongings
from storage.retention.detaching import (
    Place,
    attach_again,
    begin_detaching,
    finish_detaching,
    is_busy,
    place_of,
)
from storage.retention.holds import keep_unchanged, touched_by
from storage.retention.plan import Due
from storage.retention.state import record_removal

LIMIT_SECONDS = 60.0
"""How long a run waits until nobody can see a partition any more; then a later one goes on."""

_POLL_SECONDS = 1.0
_STEP_LIMITS = "SET LOCAL lock_timeout = '200ms'"
_columns = removed_partitions.c
_unfinished = _columns.removed_at.is_(None)

log = logging.getLogger(__name__)


def keep_partitions(connection: sa.Connection) -> bool:
    """Let nobody take a partition away until the transaction ends.

    Returns False if retention does so now, or is not done with one: no query sees that partition,
    and it may come back for a legal hold.
    """
    if not locks.try_acquire(connection, Lock.RETENTION):
        return False
    return not connection.execute(sa.select(_columns.partition).where(_unfinished)).first()


@dataclass(frozen=True, slots=True)
class Removal:
    """A partition that is being removed, as its row says."""

    oid: int
    name: str
    span: Span
    rows: int
    bytes: int
    cause: str

    @property
    def sql(self) -> str:
        """Return the name of the table as SQL."""
        return '"' + self.name.replace('"', '""') + '"'


class Remover:
    """Removes partitions. `session`: a connection outside of transactions, with short limits.

    `stopping` ends a wait early. Every call raises DatabaseUnavailable and ControlUnavailable.
    """

    def __init__(
        self,
        session: sa.Connection,
        engine: sa.Engine,
        renewal: CacheRenewal,
        actor: str,
        stopping: Callable[[], bool],
    ) -> None:
        self._session = session
        self._engine = engine
        self._renewal = renewal
        self._actor = actor
        self._stopping = stopping

    def unfinished(self) -> list[Removal]:
        """Return what earlier runs have begun and not finished. Forget what they only announced.

        From here on the cache serves again, wherever such a run was killed.
        """
        with transaction(self._engine) as connection:
            rows = connection.execute(_select().where(_unfinished)).all()
        found = [Removal(row[0], row[1], (row[2], row[3]), *row[4:7]) for row in rows]
        if any(row.detached_at is None for row in rows) or self._renewal.has_begun():
            self._renewal.end(written_if_known(self._engine))
        begun = []
        for one in found:
            if self._place(one) is Place.ATTACHED:
                self._forget(one)
            else:
                self._record_detached(one)
                begun.append(one)
        return begun

    def announce(self, due: Due) -> Removal:
        """Record that a partition is going to be removed."""
        one = due.partition
        removal = Removal(one.oid, one.name, one.span, one.rows, one.bytes, due.cause)
        with transaction(self._engine) as connection:
            connection.execute(_announce(removal))
        return removal

    def remove(self, removal: Removal) -> bool:
        """Do what is left of the steps; return whether the partition is gone.

        Returns False if somebody can see it or uses it for too long, and for a legal hold.
        """
        deadline = time.monotonic() + LIMIT_SECONDS
        before = self._place(removal)
        while not self._step(removal):
            place = self._place(removal)
            is_late = self._stopping() or time.monotonic() > deadline
            if place is Place.ATTACHED and (is_late or self._is_held(removal)):
                self._forget(removal)
                return False
            if place is before:
                if is_late:
                    return False
                time.sleep(_POLL_SECONDS)
            before = place
        return True

    def stays(self, removal: Removal) -> bool:
        """Return whether it is a partition as before: a hold has come, or nothing was begun."""
        return self._place(removal) is Place.ATTACHED

    def _step(self, removal: Removal) -> bool:
        """Try the next step; return whether it was the last one."""
        place = self._place(removal)
        if place is Place.ATTACHED:
            self._detach(removal)
        elif place is Place.LEAVING:
            finish_detaching(self._session, removal.sql)
        elif place is Place.APART and self._is_held(removal):
            self._attach_again(removal)
        else:
            belongings.forget_ngrams(self._engine, removal.span)
            belongings.forget_dead_letters(self._engine, removal.span[1])
            return self._drop(removal)
        return False

    def _detach(self, removal: Removal) -> None:
        """Try to detach it, unless a hold touches it or is being added."""
        if not locks.try_acquire_shared_for_session(self._session, Lock.LEGAL_HOLDS):
            return
        try:
            if touched_by(self._session, removal.span, removal.sql):
                return
            self._renewal.begin()
            try:
                begin_detaching(self._session, removal.sql)
            finally:
                self._renewal.end(written_if_known(self._engine))
        finally:
            if not self._session.invalidated:  # a session that is gone has no locks
                locks.release_shared_for_session(self._session, Lock.LEGAL_HOLDS)
        if self._place(removal) is not Place.ATTACHED:
            self._record_detached(removal)

    def _record_detached(self, removal: Removal) -> None:
        """Record that no cache has it any more: a later run need not renew the cache again."""
        detached = _update(removal).where(_columns.detached_at.is_(None))
        with transaction(self._engine) as connection:
            connection.execute(detached.values(detached_at=sa.func.now()))

    def _drop(self, removal: Removal) -> bool:
        """Drop the table with its counts, in one transaction; return False if others use them."""
        try:
            with transaction(self._engine) as connection:
                connection.exec_driver_sql(_STEP_LIMITS)
                keep_unchanged(connection)
                if place_of(connection, removal.oid, removal.name) is Place.APART:
                    if touched_by(connection, removal.span, removal.sql):
                        return False
                    connection.exec_driver_sql(f"DROP TABLE {removal.sql}")
                belongings.forget_counts(connection, removal.oid, removal.span)
                record_removal(connection, removal.span[1], removal.rows)
                connection.execute(_update(removal).values(removed_at=sa.func.now()))
                add_lines(connection, [self._line(removal)])
        except DatabaseUnavailable as error:
            if not is_busy(error):
                raise
            return False
        return True

    def _attach_again(self, removal: Removal) -> None:
        """Try to attach it, unless others use the table, or make partitions, for longer."""
        try:
            with transaction(self._engine) as connection:
                connection.exec_driver_sql(_STEP_LIMITS)
                locks.acquire(connection, Lock.PARTITIONS)
                attach_again(connection, removal.sql, removal.span)
        except DatabaseUnavailable as error:
            if not is_busy(error):
                raise
            return
        log.warning("the partition %s was attached again: a legal hold touches it", removal.name)

    def _is_held(self, removal: Removal) -> bool:
        with transaction(self._engine) as connection:
            return bool(touched_by(connection, removal.span, removal.sql))

    def _place(self, removal: Removal) -> Place:
        return place_of(self._session, removal.oid, removal.name)

    def _forget(self, removal: Removal) -> None:
        """Delete the row of a partition that stays."""
        with transaction(self._engine) as connection:
            connection.execute(removed_partitions.delete().where(_columns.partition == removal.oid))

    def _line(self, removal: Removal) -> AuditLine:
        start, end = (instant.isoformat() for instant in removal.span)
        told: dict[str, Detail] = {
            "from": start,
            "to": end,
            "rows": removal.rows,
            "bytes": removal.bytes,
            "cause": removal.cause,
        }
        return AuditLine(self._actor, "retention remove", removal.name, details=told)


def _select() -> sa.Select[Any]:
    return sa.select(
        _columns.partition,
        _columns.name,
        _columns.start_at,
        _columns.end_at,
        _columns.rows,
        _columns.bytes,
        _columns.cause,
        _columns.detached_at,
    ).order_by(_columns.start_at)


def _announce(removal: Removal) -> Insert:
    """Return the INSERT of its row. The number of a table may have been that of an earlier one."""
    values = {
        "name": removal.name,
        "start_at": removal.span[0],
        "end_at": removal.span[1],
        "rows": removal.rows,
        "bytes": removal.bytes,
        "cause": removal.cause,
        "begun_at": sa.func.now(),
        "detached_at": None,
        "removed_at": None,
    }
    added = insert(removed_partitions).values(partition=removal.oid, **values)
    return added.on_conflict_do_update(index_elements=[_columns.partition], set_=values)


def _update(removal: Removal) -> sa.Update:
    return removed_partitions.update().where(_columns.partition == removal.oid)
