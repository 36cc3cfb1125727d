"""The files of PostgreSQL: touched partitions, statistics, and the free room of both."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from storage.erasure import touched
from storage.erasure.records import Erasure
from storage.postgres.engine import outside_transaction, transaction
from storage.postgres.partitions import Span, parse_bounds
from storage.server_errors import sqlstate

_PARTITIONS = sa.text("""
    SELECT c.oid, CAST(c.oid::regclass AS text) AS name,
        pg_get_expr(c.relpartbound, c.oid) AS bounds
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'events'::regclass ORDER BY c.relname
""")
STATISTICS = "pg_catalog.pg_statistic"
_NO_TABLE = "42P01"
_MAY = sa.text("SELECT has_table_privilege(:name, 'MAINTAIN')")


class Partition(NamedTuple):
    """A partition of the events. `name` is quoted where PostgreSQL needs it."""

    oid: int
    name: str
    bounds: str
    span: Span


def partitions(connection: sa.Connection) -> list[Partition]:
    """Return the partitions that have two bounds, by name."""
    return [
        Partition(row.oid, row.name, row.bounds, span)
        for row in connection.execute(_PARTITIONS)
        if (span := parse_bounds(row.bounds))
    ]


def of_hours(found: Sequence[Partition], hours: Sequence[datetime]) -> Iterator[Partition]:
    """Yield the partitions that have one of these hours."""
    for one in found:
        start, end = one.span
        if any(start <= hour < end for hour in hours):
            yield one


def may_maintain(connection: sa.Connection, table: str) -> bool:
    """Return whether this role may vacuum the table."""
    return bool(connection.scalar(_MAY, {"name": table}))


def clean(engine: sa.Engine, record: Erasure) -> list[str]:
    """Make new statistics, which name frequent values, and give deleted rows' room back.

    Return what could not be done. Raises DatabaseUnavailable.
    """
    with transaction(engine) as connection:
        hours = touched.hours(connection, record.id)
        names = [one.name for one in of_hours(partitions(connection), hours)]
        statistics = may_maintain(connection, STATISTICS)
    with outside_transaction(engine) as connection:
        for name in names:
            _vacuum(connection, name)
        connection.exec_driver_sql("ANALYZE events")
        connection.exec_driver_sql("VACUUM (ANALYZE) dead_letters")
        if statistics:
            connection.exec_driver_sql(f"VACUUM {STATISTICS}")
    return [] if statistics else [NO_STATISTICS]


def _vacuum(connection: sa.Connection, partition: str) -> None:
    """Vacuum a partition, unless retention has removed it meanwhile."""
    try:
        connection.exec_driver_sql(f"VACUUM {partition}".replace("%", "%%"))
    except sa.exc.DBAPIError as error:
        if sqlstate(error) != _NO_TABLE:
            raise


NO_STATISTICS = (
    "old rows of pg_statistic, which this role may not vacuum: a superuser may "
    "(VACUUM FULL pg_statistic)"
)
