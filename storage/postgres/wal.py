"""How far the write-ahead log was written on the primary, and was replayed on a standby."""

from contextlib import suppress
from typing import Any, NamedTuple

import sqlalchemy as sa

from storage.errors import StorageError
from storage.model.wal_position import WalPosition
from storage.postgres.engine import outside_transaction

# The name of a WAL file begins with the timeline. A commit that did not wait for the disk is before
# the place of insertion only.
_WRITTEN = """
    SELECT (SELECT system_identifier FROM pg_control_system()), pg_walfile_name(lsn),
        (lsn - '0/0'::pg_lsn)::bigint
    FROM (SELECT CASE current_setting('synchronous_commit') WHEN 'off'
        THEN pg_current_wal_insert_lsn() ELSE pg_current_wal_flush_lsn() END) AS here (lsn)
"""
# A standby tells the timeline of what it has on disk. So after a failover it is on the new one some
# time later than in truth, at its next restart point at the latest, and never too early.
_REPLAYED = """
    SELECT (SELECT system_identifier FROM pg_control_system()),
        (SELECT greatest(timeline_id, min_recovery_end_timeline)
            FROM pg_control_checkpoint(), pg_control_recovery()),
        (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint,
        extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8
    WHERE pg_is_in_recovery()
"""


class Replayed(NamedTuple):
    """How far a standby has come; `seconds`: since the last commit that it has replayed."""

    position: WalPosition
    seconds: float | None


def written(connection: sa.Connection) -> WalPosition:
    """Return a place behind everything that was committed on this primary before the call."""
    system, file, lsn = connection.exec_driver_sql(_WRITTEN).one()
    return WalPosition(system, int(file[:8], 16), lsn)


def written_if_known(engine: sa.Engine) -> WalPosition | None:
    """Return that place, None if the primary does not tell."""
    with suppress(StorageError), outside_transaction(engine) as connection:
        return written(connection)
    return None


def replayed(driver: Any) -> Replayed | None:
    """Return how far a standby has come; None if the server is none.

    `driver`: a connection of psycopg2 outside of a transaction. Raises psycopg2.Error.
    """
    with driver.cursor() as cursor:
        cursor.execute(_REPLAYED)
        row = cursor.fetchone()
    return None if row is None else Replayed(WalPosition(*row[:3]), row[3])
