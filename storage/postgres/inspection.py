"""Questions to PostgreSQL about itself and our tables, for `activity doctor`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage.postgres import partitions
from storage.postgres.engine import inspecting_engine, transaction
from storage.postgres.partition_indexes import LATER_INDEXES
from storage.postgres.partitions import Span
from storage.postgres.tables import metadata

_OURS = sa.text("""
    SELECT inhrelid::bigint FROM pg_inherits WHERE inhparent = to_regclass('events')
    UNION SELECT to_regclass(name)::oid::bigint FROM unnest(CAST(:names AS text[])) AS name
    WHERE to_regclass(name) IS NOT NULL
""")
_SETTINGS = sa.text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names)")
_NOW = sa.text("SELECT extract(epoch FROM clock_timestamp())::float8")
_HAS_REVISION = sa.text("SELECT to_regclass('alembic_version') IS NOT NULL")
_REVISION = sa.text("SELECT version_num FROM alembic_version")
# Without rights on other users' sessions their columns are null, but for `datid`.
_CONNECTIONS = sa.text("""
    SELECT count(*), count(*) FILTER (WHERE application_name LIKE 'activity-%')
    FROM pg_stat_activity
    WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
        AND pid <> pg_backend_pid()
""")
_INVALID_INDEXES = sa.text("""
    SELECT i.oid::regclass::text AS name, t.oid::regclass::text AS table_name,
        pg_get_indexdef(i.oid) AS definition, i.relkind = 'I' AS partitioned,
        p.pid IS NOT NULL OR i.relkind = 'I' AND i.relname = ANY(:later) AS is_built
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_class t ON t.oid = x.indrelid
    LEFT JOIN pg_stat_progress_create_index p ON p.index_relid = x.indexrelid
    WHERE NOT (x.indisvalid AND x.indisready) AND x.indrelid::bigint = ANY(:tables)
    ORDER BY is_built, partitioned, name
""")
_SESSIONS = sa.text("""
    SELECT pid, application_name, state, extract(epoch FROM now() - xact_start)::float8 AS seconds
    FROM pg_stat_activity
    WHERE xact_start < now() - make_interval(secs => :seconds)
        AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    ORDER BY xact_start
""")
_PREPARED = sa.text("""
    SELECT gid, extract(epoch FROM now() - prepared)::float8 AS seconds FROM pg_prepared_xacts
    WHERE prepared < now() - make_interval(secs => :seconds) ORDER BY prepared
""")
_HIDDEN = sa.text("""
    SELECT count(*) FROM pg_stat_activity
    WHERE datid IS NOT NULL AND backend_type IS NULL AND pid <> pg_backend_pid()
""")
_DEAD_ROWS = sa.text("""
    SELECT relid::regclass::text AS name, n_live_tup AS live, n_dead_tup AS dead
    FROM pg_stat_all_tables WHERE relid::bigint = ANY(:tables) ORDER BY n_dead_tup DESC
""")
# Without pg_read_all_stats the state of every standby is null.
_STANDBYS = sa.text("""
    SELECT count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')),
        count(*) FILTER (WHERE sync_state IS NULL)
    FROM pg_stat_replication
""")
_AGE = sa.text("SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()")


@dataclass(frozen=True, slots=True)
class Connections:
    """Open connections: all of them, and those of this service."""

    used: int
    ours: int


@dataclass(frozen=True, slots=True)
class InvalidIndex:
    """An index that queries do not use.

    `partitioned`: it is that of the whole table. `is_built`: a CREATE INDEX is at work on it, or
    maintenance makes it, partition by partition.
    """

    name: str
    table: str
    definition: str
    partitioned: bool
    is_built: bool


@dataclass(frozen=True, slots=True)
class LongTransaction:
    """An open transaction; `remedy` is the statement that ends it."""

    name: str
    seconds: float
    remedy: str


@dataclass(frozen=True, slots=True)
class LongTransactions:
    """Those that are open for too long; `hidden`: sessions that this user may not look at."""

    found: Sequence[LongTransaction]
    hidden: int


@dataclass(frozen=True, slots=True)
class DeadRows:
    """Rows of a table, and rows that vacuum has not removed yet."""

    table: str
    live: int
    dead: int


@dataclass(frozen=True, slots=True)
class Standbys:
    """Connected standbys that commits wait for; `hidden`: those that this user may not look at."""

    synchronous: int
    hidden: int


class DatabaseInspection:
    """One connection, which only reads; for one thread.

    Every call raises DatabaseUnavailable if PostgreSQL is away, and DatabaseMismatch or
    QueryTooSlow if it does not answer this question (`storage.server_errors.refusal`).
    """

    def __init__(self, url: str) -> None:
        self.engine = inspecting_engine(url)

    def close(self) -> None:
        """Close the connection."""
        self.engine.dispose()

    def settings(self, *names: str) -> Mapping[str, str]:
        """Return settings by name; those that this user may not read are missing."""
        with transaction(self.engine) as connection:
            rows = connection.execute(_SETTINGS, {"names": list(names)}).all()
        return {row.name: row.setting for row in rows}

    def time(self) -> float:
        """Return the server's clock in seconds since the epoch."""
        with transaction(self.engine) as connection:
            return float(connection.execute(_NOW).scalar_one())

    def revision(self) -> str | None:
        """Return the migration that the database is at, None before the first."""
        with transaction(self.engine) as connection:
            if not connection.scalar(_HAS_REVISION):
                return None
            found: str | None = connection.scalar(_REVISION)
        return found

    def spans(self) -> list[Span]:
        """Return the spans of the partitions, in order."""
        with transaction(self.engine) as connection:
            return partitions.existing(connection)

    def name_taken(self, instants: Iterable[datetime], unit: str) -> str | None:
        """Return the remedy if another table has the name of the partition of an instant."""
        with transaction(self.engine) as connection:
            spans = partitions.existing(connection)
            return partitions.name_taken(connection, spans, instants, unit)

    def connections(self) -> Connections:
        """Count the connections but this one."""
        with transaction(self.engine) as connection:
            return Connections(*connection.execute(_CONNECTIONS).one())

    def invalid_indexes(self) -> list[InvalidIndex]:
        """Return the invalid indexes of our tables; those that are being built come last."""
        with transaction(self.engine) as connection:
            parameters = {**_tables(connection), "later": list(LATER_INDEXES)}
            rows = connection.execute(_INVALID_INDEXES, parameters).all()
        return [InvalidIndex(*row) for row in rows]

    def long_transactions(self, seconds: float) -> LongTransactions:
        """Return the transactions that are open for longer, prepared ones too, the oldest first."""
        with transaction(self.engine) as connection:
            sessions = connection.execute(_SESSIONS, {"seconds": seconds}).all()
            prepared = connection.execute(_PREPARED, {"seconds": seconds}).all()
            hidden = connection.scalar(_HIDDEN)
        found = [*map(_session, sessions), *map(_prepared, prepared)]
        return LongTransactions(sorted(found, key=lambda one: -one.seconds), hidden or 0)

    def dead_rows(self) -> list[DeadRows]:
        """Return the dead rows of each of our tables, the most first."""
        with transaction(self.engine) as connection:
            rows = connection.execute(_DEAD_ROWS, _tables(connection)).all()
        return [DeadRows(*row) for row in rows]

    def standbys(self) -> Standbys:
        """Count the standbys that are connected."""
        with transaction(self.engine) as connection:
            return Standbys(*connection.execute(_STANDBYS).one())

    def frozen_age(self) -> int:
        """Return how many transactions ago the oldest rows of the database were written."""
        with transaction(self.engine) as connection:
            return int(connection.execute(_AGE).scalar_one())


def _tables(connection: sa.Connection) -> dict[str, Sequence[int]]:
    """Return the identifiers of our tables and partitions, as a parameter."""
    names = [*metadata.tables, "alembic_version"]
    return {"tables": connection.scalars(_OURS, {"names": names}).all()}


def _session(row: sa.Row[tuple[int, str, str, float]]) -> LongTransaction:
    name = f"process {row.pid} ({row.application_name or 'unnamed'}, {row.state})"
    return LongTransaction(name, row.seconds, f"SELECT pg_terminate_backend({row.pid})")


def _prepared(row: sa.Row[tuple[str, float]]) -> LongTransaction:
    quoted = row.gid.replace("'", "''")
    return LongTransaction(
        f"the prepared transaction '{row.gid}'", row.seconds, f"ROLLBACK PREPARED '{quoted}'"
    )
