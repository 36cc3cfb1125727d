"""Copy the partitions that an erasure has touched, and swap the copies in.

PostgreSQL leaves the bytes of deleted rows in its files. A copy has none of them. It is made while
events are stored and read: first the rows of a snapshot, then those with later numbers of the feed,
and at last, within a moment in which nobody reads or writes, the very last ones, before the copy
takes the partition's place.
"""

import time
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from storage.erasure.files import STATISTICS, Partition, may_maintain, of_hours, partitions
from storage.erasure.waiting import require_partitions
from storage.errors import DatabaseMismatch
from storage.events.feed_numbers import number_of
from storage.events.hour_counts import ATTACHED
from storage.postgres import locks
from storage.postgres.engine import outside_transaction, snapshot, transaction
from storage.postgres.locks import Lock
from storage.postgres.tables import drain_ledger, erasure_hours, events
from storage.server_errors import sqlstate

LOCK_MS = 100
"""How long others wait at most behind a try to swap."""

_TRIES = 60  # to swap one copy in
_PAUSE_SECONDS = 0.5
_MAX_EXCLUSIVE_BYTES = 64 * 1024 * 1024  # of a table that is rewritten while nobody can use it
_LOCKED = ("55P03", "40P01")  # no lock in time, deadlock
_LAST_BATCH = (1 << 48) - 1
_COLUMNS = ", ".join(column.name for column in events.columns)

_INDEXES = sa.text("""
    SELECT indisprimary, indisunique, pg_get_indexdef(indexrelid) AS definition
    FROM pg_index WHERE indrelid = 'events'::regclass ORDER BY indisprimary DESC, indexrelid
""")
_KEEP_COUNTS = sa.text(f"""
    INSERT INTO counted_partitions (partition, state, counted_from)
    SELECT attached.partition, attached.state, :counted_from FROM ({ATTACHED}) AS attached
    WHERE attached.partition = CAST(:name AS regclass)
""")
_COUNTED = sa.text(f"""
    SELECT counted_from FROM counted_partitions AS counted JOIN ({ATTACHED}) AS attached
        ON attached.partition = counted.partition AND attached.state = counted.state
    WHERE counted.partition = :oid
""")
_ATTACHED = sa.text("""
    SELECT FROM pg_inherits WHERE inhrelid = :oid AND inhparent = 'events'::regclass
    AND NOT inhdetachpending
    AND NOT EXISTS (SELECT FROM removed_partitions WHERE partition = :oid AND removed_at IS NULL)
""")
_LEFT_BEHIND = sa.text(r"""
    SELECT relname FROM pg_class WHERE relname ~ '^events_rewritten_\d+$' AND NOT relispartition
    AND relkind = 'r' AND relnamespace = (
        SELECT relnamespace FROM pg_class WHERE oid = 'events'::regclass
    )
""")
_BYTES = sa.text("SELECT pg_total_relation_size(CAST(:name AS regclass))")

_TAKEN = (Lock.RETENTION, Lock.PARTITIONS)
"""Nobody takes a partition away, or makes one, while one is swapped."""

Batches = Mapping[int, int]


class RowsChanged(Exception):
    """Another program changed rows of the partition while it was copied."""


def next_partition(engine: sa.Engine) -> Partition | None:
    """Return a partition that some erasure has touched, None if there is none any more.

    Hours whose partition is gone are forgotten, and copies that were left behind are dropped.
    Raises DatabaseUnavailable, Waits.
    """
    with transaction(engine) as connection:
        require_partitions(connection)
        for copy in connection.scalars(_LEFT_BEHIND).all():
            connection.exec_driver_sql(f"DROP TABLE {copy}")
        hours = list(connection.scalars(sa.select(erasure_hours.c.hour).distinct()))
        found = list(of_hours(partitions(connection), hours))
        if not found:
            connection.execute(erasure_hours.delete().where(erasure_hours.c.hour.in_(hours)))
            return None
    return found[-1]


def rewrite(engine: sa.Engine, partition: Partition) -> bool:
    """Copy the partition and swap the copy in; return False if it is in use: try again later.

    Retention may remove the partition meanwhile: then nothing is left to do. Raises
    DatabaseUnavailable, RowsChanged.
    """
    try:
        return _rewrite(engine, partition, _copy_name(partition))
    except DatabaseMismatch:
        with transaction(engine) as connection:
            if connection.execute(_ATTACHED, {"oid": partition.oid}).all():
                raise
        return True


def _rewrite(engine: sa.Engine, partition: Partition, copy: str) -> bool:
    seen = _copy(engine, partition, copy)
    for _ in range(_TRIES):
        seen = _catch_up(engine, partition, copy, seen)
        if _swap(engine, partition, copy, seen):
            return True
        time.sleep(_PAUSE_SECONDS)
    return False


def rewrite_small_tables(engine: sa.Engine) -> list[str]:
    """Rewrite dead letters and statistics, which others can't use meanwhile.

    Return what could not be done. Raises DatabaseUnavailable.
    """
    remains: list[str] = []
    with outside_transaction(engine) as connection:
        connection.exec_driver_sql("SET lock_timeout = '1s'")
        try:
            for name in ("dead_letters", STATISTICS):
                size = connection.scalar(_BYTES, {"name": name}) or 0
                if not may_maintain(connection, name) or size > _MAX_EXCLUSIVE_BYTES:
                    remains.append(f"the file of {name}: rewrite it with VACUUM FULL {name}")
                else:
                    connection.exec_driver_sql(f"VACUUM FULL {name}")
        finally:
            connection.exec_driver_sql("RESET lock_timeout")
    return remains


def _copy_name(partition: Partition) -> str:
    return f"events_rewritten_{partition.oid}"


def _copy(engine: sa.Engine, partition: Partition, copy: str) -> Batches:
    """Make the copy of a snapshot, with its indexes; return which batches it has."""
    start, end = (instant.isoformat() for instant in partition.span)
    with snapshot(engine) as connection:
        run = connection.exec_driver_sql
        run("SET LOCAL synchronize_seqscans = off")
        run(f"CREATE TABLE {copy} (LIKE events INCLUDING ALL EXCLUDING INDEXES)")
        run(
            f"ALTER TABLE {copy} ADD CONSTRAINT events_within "
            f"CHECK (created_at >= '{start}' AND created_at < '{end}')"
        )
        seen = _batches(connection)
        run(_plain(_insert(partition, copy)))
        for row in connection.execute(_INDEXES).all():
            run(_plain(_index(row, copy)))
    with outside_transaction(engine) as connection:
        connection.exec_driver_sql(f"VACUUM (ANALYZE) {copy}")
    return seen


def _insert(partition: Partition, copy: str) -> str:
    return f"INSERT INTO {copy} ({_COLUMNS}) SELECT {_COLUMNS} FROM {partition.name}"


def _index(row: sa.Row[tuple[object, ...]], copy: str) -> str:
    if row.indisprimary:
        return f"ALTER TABLE {copy} ADD PRIMARY KEY (created_at, id)"
    unique = "UNIQUE " if row.indisunique else ""
    _, _, how = row.definition.partition(" USING ")
    return f"CREATE {unique}INDEX ON {copy} USING {how}"


def _catch_up(engine: sa.Engine, partition: Partition, copy: str, seen: Batches) -> Batches:
    """Copy what was stored since, and check that nothing else has changed. Raises RowsChanged."""
    with snapshot(engine) as connection:
        now = _copy_later(connection, partition, copy, seen)
        counts = (_plain(f"SELECT count(*) FROM {name}") for name in (partition.name, copy))
        stored, copied = (connection.exec_driver_sql(text).scalar() for text in counts)
    if stored != copied:
        raise RowsChanged(f"{stored} rows, {copied} copied")
    return now


def _copy_later(
    connection: sa.Connection, partition: Partition, copy: str, seen: Batches
) -> Batches:
    """Copy the rows of later batches than those; return which ones the copy has now."""
    now = _batches(connection)
    for writer, batch in now.items():
        if batch > seen.get(writer, 0):
            low, high = number_of(writer, seen.get(writer, 0)), number_of(writer, _LAST_BATCH)
            later = f" WHERE feed > {low} AND feed <= {high}"
            connection.exec_driver_sql(_plain(_insert(partition, copy) + later))
    return now


class _InUse(Exception):
    """Somebody uses the events for longer than others should wait."""


def _swap(engine: sa.Engine, partition: Partition, copy: str, seen: Batches) -> bool:
    """Let the copy take the partition's place; return False if somebody uses the events now."""
    try:
        with transaction(engine) as connection:
            if not all(locks.try_acquire(connection, each) for each in _TAKEN):
                return False
            _lock(connection, "ONLY events")
            if not connection.execute(_ATTACHED, {"oid": partition.oid}).all():
                connection.exec_driver_sql(f"DROP TABLE {copy}")  # retention is faster
                return True
            _lock(connection, partition.name)
            _copy_later(connection, partition, copy, seen)
            _exchange(connection, partition, copy)
    except _InUse:
        return False
    return True


def _lock(connection: sa.Connection, table: str) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_MS}")
    try:
        connection.exec_driver_sql(_plain(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
    except sa.exc.DBAPIError as error:
        if sqlstate(error) in _LOCKED:
            raise _InUse from error
        raise


def _exchange(connection: sa.Connection, partition: Partition, copy: str) -> None:
    run = connection.exec_driver_sql
    counted_from = connection.scalar(_COUNTED, {"oid": partition.oid})
    for statement in (
        f"ALTER TABLE events DETACH PARTITION {partition.name}",
        f"ALTER TABLE events ATTACH PARTITION {copy} {partition.bounds}",
        f"DROP TABLE {partition.name}",
        f"ALTER TABLE {copy} RENAME TO {_last_name(partition.name)}",
        f"ALTER TABLE {partition.name} DROP CONSTRAINT events_within",
    ):
        run(_plain(statement))
    if counted_from is not None:
        connection.execute(_KEEP_COUNTS, {"name": partition.name, "counted_from": counted_from})
    _forget_hours(connection, *partition.span)


def _forget_hours(connection: sa.Connection, start: datetime, end: datetime) -> None:
    hour = erasure_hours.c.hour
    connection.execute(erasure_hours.delete().where(hour >= start, hour < end))


def _batches(connection: sa.Connection) -> Batches:
    columns = (drain_ledger.c.shard, drain_ledger.c.batches)
    return {row.shard: row.batches for row in connection.execute(sa.select(*columns))}


def _last_name(name: str) -> str:
    """Return a table's name without its schema."""
    return name.rpartition(".")[2]


def _plain(statement: str) -> str:
    """Escape what psycopg2 would read as a parameter."""
    return statement.replace("%", "%%")
