"""Write over a person's address in the messages and the data of others' events.

The trigram index finds messages within moments. It knows no `data`, so a scan of all events
follows, a bounded number of rows at a time. `storage.model.erasing` tells what to change.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from storage.cache.renewal import CacheRenewal
from storage.erasure import records, touched
from storage.erasure.address_table import ADDRESS, knowing
from storage.erasure.records import Erasure
from storage.erasure.touched import Touched
from storage.erasure.waiting import require_partitions
from storage.errors import Held
from storage.model.erasing import Address
from storage.postgres.tables import erasures
from storage.postgres.wal import written_if_known
from storage.retention import holds

FOUND_AT_ONCE = 500
WALKED_AT_ONCE = 20_000
_COUNTED_AT_ONCE = 1_000
_FIRST = datetime(1, 1, 1, tzinfo=UTC), UUID(int=0)

# LIKE's own characters are escaped in the pattern.
_PATTERN = rf"'%' || regexp_replace({ADDRESS}, '([\\%_])', '\\\1', 'g') || '%'"
_NAMES_IT = f"""
    strpos(lower(message COLLATE "C"), {ADDRESS}) > 0
    OR strpos(lower(CAST(data AS text) COLLATE "C"), {ADDRESS}) > 0
"""
_BEHIND = "created_at >= :at AND (created_at, id) > (:at, :id) AND created_at < :before"
_COLUMNS = "created_at, id, component, environment, email, message, CAST(data AS text) AS data"
# Without the CTE PostgreSQL might walk over all events in the order of their keys.
_INDEXED = sa.text(f"""
    WITH found AS MATERIALIZED (
        SELECT created_at, id, component, environment, email, message, data FROM events
        WHERE message ILIKE {_PATTERN} AND {_BEHIND}
    )
    SELECT {_COLUMNS}, row_number() OVER (ORDER BY created_at, id) = :rows AS is_last
    FROM found ORDER BY created_at, id LIMIT :rows
""")
_WALKED = sa.text(f"""
    SELECT {_COLUMNS}, place = :rows AS is_last FROM (
        SELECT *, row_number() OVER (ORDER BY created_at, id) AS place FROM events
        WHERE {_BEHIND} ORDER BY created_at, id LIMIT :rows
    ) AS walked WHERE place = :rows OR {_NAMES_IT} ORDER BY created_at, id
""")
_CHANGE = sa.text("""
    UPDATE events SET message = :message, data = CAST(:data AS jsonb)
    WHERE created_at = :at AND id = :id
""")
_OF_OTHERS = sa.text(f"""
    SELECT message, CAST(data AS text) AS data FROM events
    WHERE ({_NAMES_IT}) AND lower(email COLLATE "C") IS DISTINCT FROM {ADDRESS}
""")


class Walk(NamedTuple):
    """A query of the next events to look at, and how many rows it looks at."""

    query: sa.TextClause
    rows: int


INDEXED = Walk(_INDEXED, FOUND_AT_ONCE)
"""Over the messages that the trigram index finds."""

EVERY = Walk(_WALKED, WALKED_AT_ONCE)
"""Over all events."""


def redact_some(
    engine: sa.Engine, renewal: CacheRenewal, record: Erasure, address: Address, walk: Walk
) -> bool:
    """Redact the next events of the walk; return whether it goes on. The record has the place.

    Raises DatabaseUnavailable, ControlUnavailable, Held, Waits: then nothing is changed.
    """
    at, last_id = (record.place_at, record.place_id) if record.place_at else _FIRST
    place = {"at": at, "id": last_id, "before": record.before, "rows": walk.rows}
    with knowing(engine, address) as connection:
        require_partitions(connection)
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off; SET LOCAL jit = off")
        rows = connection.execute(walk.query, place).all()
        changed = [row for row in rows if _change(connection, address, row)]
        if changed:
            _require_no_holds(connection, changed)
            touched.record(connection, record.id, list(map(_touched, changed)))
        goes_on = bool(rows) and rows[-1].is_last
        if rows:
            redacted = erasures.c.redacted + len(changed)
            where = {"place_at": rows[-1].created_at, "place_id": rows[-1].id}
            records.change(connection, record.id, redacted=redacted, **where)
        if changed:
            renewal.begin()
    if changed:
        renewal.end(written_if_known(engine))
    return goes_on


def _require_no_holds(connection: sa.Connection, changed: Sequence[Any]) -> None:
    """Check that no hold keeps one of these events as it is. Raises Held."""
    holds.keep_unchanged(connection)
    for hold in holds.listed(connection):
        if any(hold.keeps(row.created_at, row.email) for row in changed):
            raise Held(f"a legal hold keeps events that name this email: {hold.id} ({hold.reason})")


def count(connection: sa.Connection, address: Address) -> int:
    """Return how many events of others name the address, by a scan of all of them.

    In a transaction that knows the address.
    """
    rows = connection.execute(_OF_OTHERS, execution_options={"yield_per": _COUNTED_AT_ONCE})
    return sum(_redacted(address, row) is not None for row in rows)


def _change(connection: sa.Connection, address: Address, row: Any) -> bool:
    redacted = _redacted(address, row)
    if redacted is None:
        return False
    place = {"at": row.created_at, "id": row.id}
    connection.execute(_CHANGE, {**place, "message": redacted[0], "data": redacted[1]})
    return True


def _redacted(address: Address, row: Any) -> tuple[str, str | None] | None:
    """Return the message and the data without the address; None if they do not name it."""
    message = address.redact(row.message)
    data = None if row.data is None else address.redact_json(row.data.encode()).decode()
    return None if (message, data) == (row.message, row.data) else (message, data)


def _touched(row: Any) -> Touched:
    return Touched(row.created_at, row.id, row.component, row.environment, False)
