"""Build the record of a past span's n-grams: announce the span, wait, read it, record it.

`ngrams` says why no event is missed.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

import sqlalchemy as sa

from storage.events.ngrams import FORM, LENGTHS
from storage.postgres import locks, partitions
from storage.postgres.engine import transaction
from storage.postgres.locks import Lock
from storage.postgres.partitions import Span
from storage.server_errors import sqlstate

MAX_NGRAMS = 100_000  # of one length; more of them would exclude little and take much room
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_STEPS = 24  # that reading a span is divided into
_STEP_LIMIT_MS = 15_000
_WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.05
# Cancelled at the time limit, disk full, out of memory: another try would end in the same way.
_TOO_MUCH = ("57014", "53100", "53200")
_CHUNK = 200  # characters of a long text: substr() is slow far from a text's beginning

# Events of a span may arrive so late. A later one invalidates the record, which is made again an
# hour after.
_CLOSED = sa.text("SELECT now() - interval '10 minutes'")
_SPANS = sa.text("""
    SELECT start_at, end_at, CASE WHEN late IS NULL THEN lengths IS NULL
        ELSE late < now() - interval '1 hour' END AS due FROM message_spans
""")
_ANNOUNCE = sa.text("""
    INSERT INTO message_spans (start_at, end_at) VALUES (:start, :end)
    ON CONFLICT (start_at) DO UPDATE
    SET end_at = excluded.end_at, build = excluded.build, lengths = NULL, late = NULL
    RETURNING build
""")
_READ = sa.text(f"""
    WITH form AS (
        SELECT DISTINCT {FORM} AS form FROM events
        WHERE created_at >= :start AND created_at < :end
    ), chunk AS MATERIALIZED (
        SELECT substr(form, at, {_CHUNK - 1 + max(LENGTHS)}) AS chunk
        FROM form, generate_series(1, length(form), {_CHUNK}) AS at
    ), found AS MATERIALIZED (
        SELECT size, substr(chunk, at, size) AS ngram
        FROM chunk, unnest(CAST(:lengths AS integer[])) AS size,
            generate_series(1, length(chunk) - size + 1) AS at
        UNION SELECT length(ngram), ngram FROM found_ngrams
    ), many AS MATERIALIZED (
        SELECT size FROM found GROUP BY size HAVING count(*) > :most
    ), kept AS (
        INSERT INTO found_ngrams SELECT ngram FROM found WHERE size NOT IN (SELECT size FROM many)
        ON CONFLICT DO NOTHING
    )
    SELECT size FROM many
""")
_COLLECT = sa.text("""
    CREATE TEMP TABLE found_ngrams (ngram text COLLATE "C" PRIMARY KEY) ON COMMIT DROP
""")
_LIMITS = "SET LOCAL statement_timeout = {}; SET LOCAL work_mem = '64MB'; SET LOCAL jit = off"
_STILL_OURS = sa.text("""
    SELECT true FROM message_spans WHERE start_at = :start AND build = :build AND late IS NULL
""")
# Skips rows that a writer flags at this moment, so that neither waits for the other.
_FORGET = sa.text("""
    DELETE FROM message_spans WHERE start_at IN (
        SELECT start_at FROM message_spans
        WHERE start_at = ANY (CAST(:starts AS timestamptz[])) FOR UPDATE SKIP LOCKED
    ) RETURNING start_at
""")
_EMPTY = sa.text("DELETE FROM message_grams WHERE span = :start")
_KEEP = sa.text("""
    INSERT INTO message_grams (gram, span)
    SELECT ngram, :start FROM found_ngrams WHERE length(ngram) = ANY (CAST(:lengths AS integer[]))
""")
_RECORD = sa.text("""
    UPDATE message_spans SET lengths = CAST(:lengths AS smallint[])
    WHERE start_at = :start AND build = :build AND late IS NULL
""")


def record_next(engine: sa.Engine, before: datetime | None = None) -> Span | None:
    """Record the n-grams of the latest span without a record that ended `before` (10 minutes ago).

    Returns None if no record is missing, or if none can be made now: another process makes one, an
    event has come late, or a transaction runs for long. Raises DatabaseUnavailable.
    """
    with transaction(engine) as connection:
        if not locks.try_acquire(connection, Lock.NGRAM_RECORDS):
            return None
        possible = _possible(connection, before or connection.scalars(_CLOSED).one())
        known = {(row.start_at, row.end_at): row.due for row in connection.execute(_SPANS)}
        span = next((each for each in possible if known.get(each, True)), None)
        if span is None:
            _forget(connection, [start for start, _ in known.keys() - set(possible)])
            return None
        build = connection.scalars(_ANNOUNCE, {"start": span[0], "end": span[1]}).one()
    return span if _seen_by_all(engine) and _record(engine, span, build) else None


def _possible(connection: sa.Connection, before: datetime) -> list[Span]:
    """Return the spans that may have a record, the latest first.

    They are days, or partitions where these are shorter; of the last day, which is not over, hours.
    """
    days = [day for span in partitions.existing(connection) for day in _split(span, _DAY)]
    hours = [hour for day in days if before < day[1] for hour in _split(day, _HOUR)]
    return sorted((span for span in days + hours if span[1] <= before), reverse=True)


def _split(span: Span, longest: timedelta) -> Iterator[Span]:
    start, end = span
    while start < end:
        yield start, min(start + longest, end)
        start += longest


def _forget(connection: sa.Connection, starts: Sequence[datetime]) -> None:
    """Delete records of hours whose day has one, and of partitions that are gone."""
    deleted = connection.scalars(_FORGET, {"starts": starts}).all() if starts else []
    for start in deleted:
        connection.execute(_EMPTY, {"start": start})


def _seen_by_all(engine: sa.Engine) -> bool:
    """Wait until every transaction has ended that began to write before this call.

    Such a transaction may have looked for announced spans before this one was announced; any later
    one sees it. An earlier transaction has a lower number. Returns False if the wait takes too
    long.
    """
    with transaction(engine) as connection:
        now = connection.scalar(sa.text("SELECT CAST(pg_current_xact_id() AS text)"))
    ended = sa.text("SELECT pg_snapshot_xmin(pg_current_snapshot()) >= CAST(:now AS xid8)")
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        with transaction(engine) as connection:
            if connection.scalar(ended, {"now": now}):
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)


def _record(engine: sa.Engine, span: Span, build: UUID) -> bool:
    announced = {"start": span[0], "build": build}
    with transaction(engine) as connection:
        locks.acquire(connection, Lock.NGRAM_RECORDS)
        if not connection.scalar(_STILL_OURS, announced):
            return False
        with connection.begin_nested() as savepoint:
            lengths = _keep(connection, span)
            # This comes last, because from here to the commit a writer of a late event waits.
            recorded = connection.execute(_RECORD, {**announced, "lengths": lengths}).rowcount > 0
            if not recorded:
                savepoint.rollback()
    return recorded


def _keep(connection: sa.Connection, span: Span) -> list[int]:
    """Store the span's n-grams; return the lengths of which all n-grams are stored."""
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(_LIMITS.format(_STEP_LIMIT_MS))
            lengths = _read(connection, span)
            connection.execute(_EMPTY, {"start": span[0]})
            connection.execute(_KEEP, {"start": span[0], "lengths": lengths})
    except sa.exc.DBAPIError as error:
        if sqlstate(error) not in _TOO_MUCH:
            raise
        return []
    return lengths


def _read(connection: sa.Connection, span: Span) -> list[int]:
    """Collect the span's n-grams in `found_ngrams`; return the lengths of which all are there."""
    connection.execute(_COLLECT)
    (start, end), lengths = span, LENGTHS
    edges = [start + (end - start) * step / _STEPS for step in range(_STEPS + 1)]
    for step_start, step_end in pairwise(edges):
        step = {"start": step_start, "end": step_end, "lengths": lengths, "most": MAX_NGRAMS}
        many = connection.scalars(_READ, step).all()
        lengths = [length for length in lengths if length not in many]
    return lengths
