"""The partitions of `events`, with how many rows each has and how many bytes it takes.

What PostgreSQL has recorded of a table is of its last ANALYZE or VACUUM: of a new partition it
knows nothing, and of one that has grown since too little. Their rows are counted, or those of some
pages.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage.postgres import partitions
from storage.postgres.partitions import Span
from storage.server_errors import sqlstate

_ATTACHED = sa.text("""
    SELECT c.oid::bigint AS oid, c.relname, c.oid::regclass::text AS name,
        pg_get_expr(c.relpartbound, c.oid) AS bounds,
        c.reltuples AS recorded_rows, c.relpages AS recorded_pages,
        pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages,
        pg_total_relation_size(c.oid) AS bytes
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'events'::regclass AND NOT i.inhdetachpending AND c.relkind = 'r'
    ORDER BY c.relname
""")
_DATABASE = sa.text("SELECT pg_database_size(current_database())")

_COUNTED_PAGES = 1_000  # of 8 KiB: all rows of a smaller partition are counted
_COUNT = "SELECT count(*) FROM ONLY {table} TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1)"
_UNDEFINED_TABLE = "42P01"


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
    """Return the partitions that queries see, the oldest first. Call it in a transaction."""
    found = [
        Partition(row.oid, row.relname, row.name, span, rows, row.bytes)
        for row in connection.execute(_ATTACHED).all()
        if (span := partitions.parse_bounds(row.bounds))
        and (rows := _rows(connection, row)) is not None
    ]
    return sorted(found, key=lambda one: one.span)


def database_bytes(connection: sa.Connection) -> int:
    """Return the bytes of the database on disk."""
    return int(connection.scalar(_DATABASE) or 0)


def _rows(connection: sa.Connection, row: Any) -> int | None:
    """Return about how many rows a partition has, None if it was dropped meanwhile.

    Those that were recorded, and as many per page of those that came since. If most of its pages
    came since, they are counted.
    """
    if not row.pages:
        return None if row.pages is None else 0
    if row.recorded_rows > 0 and 2 * row.recorded_pages >= row.pages:
        return int(row.recorded_rows * row.pages / row.recorded_pages + 0.5)
    return _count(connection, row.name, row.pages)


def _count(connection: sa.Connection, table: str, pages: int) -> int | None:
    """Count the rows, of a large table those of some pages."""
    part = min(1.0, _COUNTED_PAGES / pages)
    count = _COUNT.format(table=table, percent=100 * part)
    try:
        with connection.begin_nested():
            return int(connection.exec_driver_sql(count).scalar_one() / part + 0.5)
    except sa.exc.DBAPIError as error:
        if sqlstate(error) != _UNDEFINED_TABLE:
            raise
        return None
