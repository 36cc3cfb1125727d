"""The partitions of `events`, with how many rows each has and how many bytes it takes."""

from dataclasses import dataclass

import sqlalchemy as sa

from storage.postgres import partitions
from storage.postgres.partitions import Span

# The rows of a table that was never analysed are those that its statistics have counted.
_ATTACHED = sa.text("""
    SELECT c.oid::bigint AS oid, c.relname, c.oid::regclass::text AS name,
        pg_get_expr(c.relpartbound, c.oid) AS bounds,
        CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint
            ELSE pg_stat_get_live_tuples(c.oid) END AS rows,
        pg_total_relation_size(c.oid) AS bytes
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'events'::regclass AND NOT i.inhdetachpending AND c.relkind = 'r'
    ORDER BY c.relname
""")
_DATABASE = sa.text("SELECT pg_database_size(current_database())")


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition with both bounds. `sql`: its name as SQL; `rows` is an estimate."""

    oid: int
    name: str
    sql: str
    span: Span
    rows: int
    bytes: int


def attached(connection: sa.Connection) -> list[Partition]:
    """Return the partitions that queries see, the oldest first."""
    found = [
        Partition(row.oid, row.relname, row.name, span, row.rows, row.bytes)
        for row in connection.execute(_ATTACHED)
        if (span := partitions.parse_bounds(row.bounds))
    ]
    return sorted(found, key=lambda one: one.span)


def database_bytes(connection: sa.Connection) -> int:
    """Return the bytes of the database on disk."""
    return int(connection.scalar(_DATABASE) or 0)
