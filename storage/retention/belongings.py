"""What belongs to a removed partition and is not in it: n-grams, counts by hour, dead letters."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from storage.events.hour_counts import whole_hours
from storage.model.entries import read_event
from storage.postgres import locks, partitions
from storage.postgres.engine import transaction
from storage.postgres.locks import Lock
from storage.postgres.partitions import Span
from storage.retention.holds import LegalHold, keep_unchanged, listed

_BATCH = 1_000

# Skips rows that a writer flags at this moment, so that neither waits for the other.
_FORGET_SPANS = sa.text("""
    DELETE FROM message_spans WHERE start_at IN (
        SELECT start_at FROM message_spans
        WHERE start_at >= :start AND start_at < :end FOR UPDATE SKIP LOCKED
    )
""")
_FORGET_NGRAMS = sa.text("""
    DELETE FROM message_grams WHERE span >= :start AND span < :end
    AND NOT EXISTS (SELECT FROM message_spans WHERE start_at = span)
""")
_FORGET_HOURS = sa.text("DELETE FROM event_hours WHERE hour >= :start AND hour < :end")
_FORGET_COUNTED = sa.text("DELETE FROM counted_partitions WHERE partition = CAST(:oid AS oid)")
_LETTERS = sa.text("""
    SELECT created_at, id, event FROM dead_letters
    WHERE created_at < :end AND (created_at, id) > (:created_at, CAST(:id AS uuid))
    AND NOT EXISTS (
        SELECT FROM unnest(CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[])) AS span
            (start_at, end_at)
        WHERE created_at >= start_at AND created_at < end_at
    )
    ORDER BY created_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_FORGET_LETTERS = sa.text("""
    DELETE FROM dead_letters USING unnest(
        CAST(:times AS timestamptz[]), CAST(:ids AS uuid[])
    ) AS old (created_at, id)
    WHERE dead_letters.created_at = old.created_at AND dead_letters.id = old.id
""")
_FIRST = {
    "created_at": datetime.fromisoformat("0001-01-01T00:00Z"),
    "id": "00000000-0000-0000-0000-000000000000",
}


def forget_ngrams(engine: sa.Engine, span: Span) -> None:
    """Delete the records of n-grams of the span, but those of a partition that came since."""
    within = {"start": span[0], "end": span[1]}
    with transaction(engine) as connection:
        connection.execute(_FORGET_SPANS, within)
    with transaction(engine) as connection:
        connection.execute(_FORGET_NGRAMS, within)


def forget_counts(connection: sa.Connection, oid: int, span: Span) -> None:
    """Delete the counts of the span's hours, but those of a partition that came since.

    It keeps others from making partitions and from counting until the transaction ends.
    """
    locks.acquire(connection, Lock.PARTITIONS)
    locks.acquire(connection, Lock.EVENT_COUNTS)
    connection.execute(_FORGET_COUNTED, {"oid": oid})
    for start, end in _free(partitions.existing(connection), whole_hours(span)):
        connection.execute(_FORGET_HOURS, {"start": start, "end": end})


def forget_dead_letters(engine: sa.Engine, end: datetime) -> int:
    """Delete the dead letters from before `end` that no partition covers; return how many.

    Those that a legal hold touches stay.
    """
    place, forgotten = _FIRST, 0
    while True:
        with transaction(engine) as connection:
            keep_unchanged(connection)
            spans = partitions.existing(connection)
            covered = {"starts": [one[0] for one in spans], "ends": [one[1] for one in spans]}
            asked = {**covered, **place, "end": end, "limit": _BATCH}
            rows = connection.execute(_LETTERS, asked).all()
            forgotten += _forget(connection, rows, listed(connection))
        if len(rows) < _BATCH:
            return forgotten
        place = {"created_at": rows[-1].created_at, "id": str(rows[-1].id)}


def _forget(connection: sa.Connection, rows: Sequence[Any], holds: Sequence[LegalHold]) -> int:
    old = [row for row in rows if not any(is_held(row, hold) for hold in holds)]
    if not old:
        return 0
    keys = {"times": [row.created_at for row in old], "ids": [str(row.id) for row in old]}
    return connection.execute(_FORGET_LETTERS, keys).rowcount


def is_held(row: Any, hold: LegalHold) -> bool:
    """Return whether the hold touches the dead letter; it does if nobody knows whose it is."""
    if hold.email is None or not hold.covers(row.created_at):
        return hold.covers(row.created_at)
    try:
        email = read_event(bytes(row.event)).email
    except ValueError:
        return True
    return hold.keeps(row.created_at, email)


def _free(existing: Sequence[Span], span: Span) -> list[Span]:
    """Return the parts of the span that no existing span covers."""
    start, end = span
    found = []
    for taken_start, taken_end in existing:
        if taken_start < end and start < taken_end:
            found.append((start, taken_start))
            start = max(start, taken_end)
    return [(a, b) for a, b in (*found, (start, end)) if a < b]
