"""What letters the messages of a past span of time hold, so that no search looks there in vain.

Of a message its *form* counts: as ILIKE compares it, in lower case, and each number as one 0. The
form of a part of a message is part of the message's form. So where one *n-gram* of it, a piece of
some length, is in no message of a span, the part isn't either.

A record must not miss a message. So a span is announced first; then it waits until everything has
ended that may not have seen that; only then it reads. And whoever stores an event in a span that
is announced flags it as late, in the same transaction and by a statement behind the insert: then
the span does not become a record, or is none any longer. This holds whatever the clocks say, and
no lock on the events is needed for it.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

import sqlalchemy as sa

from storage.errors import sqlstate
from storage.model.event import Event, hours_of
from storage.postgres import partitions
from storage.postgres.engine import transaction
from storage.postgres.partitions import Span

Range = tuple[datetime | None, datetime | None]

LENGTHS = [1, 2, 4, 6]  # of n-grams, in characters
MAX_NGRAMS = 100_000  # of a length; where there are more they tell little, and take much room
MAX_RANGES = 16  # that searching is split into: each is a statement
_CHARACTERS = 40  # that are looked at, of all parts together
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_STEPS = 24  # in which a span is read
_STEP_LIMIT_MS = 15_000
_WAIT_SECONDS = 5.0
# The step took too long, or more memory or disk than there is: so it would the next time.
_TOO_MUCH = ("57014", "53100", "53200")

_FORM = "regexp_replace(lower(message), '[0-9]+', '0', 'g')"
_PIECE = 200  # of a long text, in which substr() would go a long way for each n-gram

_ONE_AT_A_TIME = "hashtext('activity message n-grams')"
# Events may come so late; later ones cost a record, which is made again an hour after.
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
# No span is longer than 24 hours: only a few are looked at.
_FLAG_LATE = sa.text("""
    UPDATE message_spans SET late = now()
    FROM unnest(CAST(:hours AS timestamptz[])) AS hour
    WHERE start_at > hour - interval '24 hours' AND start_at < hour + interval '1 hour'
    AND hour < end_at AND late IS NULL
""")
_READ = sa.text(f"""
    WITH form AS (
        SELECT DISTINCT {_FORM} AS form FROM events
        WHERE created_at >= :start AND created_at < :end
    ), piece AS MATERIALIZED (
        SELECT substr(form, at, {_PIECE - 1 + max(LENGTHS)}) AS piece
        FROM form, generate_series(1, length(form), {_PIECE}) AS at
    ), found AS MATERIALIZED (
        SELECT size, substr(piece, at, size) AS ngram
        FROM piece, unnest(CAST(:lengths AS integer[])) AS size,
            generate_series(1, length(piece) - size + 1) AS at
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
# Waits for nobody who flags spans, so that neither waits for the other.
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
# Of a part the longest n-grams that are recorded; they say all that the shorter ones would.
_WITHOUT = sa.text(f"""
    WITH part AS MATERIALIZED (
        SELECT number, left({_FORM}, :characters) AS form
        FROM unnest(CAST(:parts AS text[])) WITH ORDINALITY AS given (message, number)
    ), wanted AS MATERIALIZED (
        SELECT DISTINCT number, size, substr(form, at, size) AS ngram
        FROM part, unnest(CAST(:lengths AS integer[])) AS size,
            generate_series(1, length(form) - size + 1) AS at
    )
    SELECT start_at, end_at FROM message_spans
    WHERE late IS NULL AND lengths <> '{{}}' AND NOT EXISTS (
        SELECT FROM part WHERE NOT EXISTS (
            SELECT FROM wanted WHERE wanted.number = part.number AND size = (
                SELECT max(length) FROM unnest(lengths) AS length WHERE length <= length(form)
            ) AND NOT EXISTS (
                SELECT FROM message_grams WHERE gram = wanted.ngram AND span = start_at
            )
        )
    ) ORDER BY start_at
""")


# --- whoever stores events ---------------------------------------------------------------------


def flag_late_spans(connection: sa.Connection, events: Iterable[Event]) -> None:
    """Say that these events are in no record, in the transaction that has inserted them."""
    connection.execute(_FLAG_LATE, {"hours": hours_of(events)})


# --- whoever searches --------------------------------------------------------------------------


def without(connection: sa.Connection, parts: Sequence[str]) -> list[Span]:
    """Spans no message of which contains any of these parts, in any case; in order.

    As things stand at the moment that the transaction sees: read the events in the same one.
    """
    if not parts:
        return []
    characters = max(max(LENGTHS), _CHARACTERS // len(parts))
    asked = {"parts": list(parts), "lengths": LENGTHS, "characters": characters}
    return merged((row.start_at, row.end_at) for row in connection.execute(_WITHOUT, asked))


def ranges(start: datetime | None, end: datetime | None, absent: Sequence[Span]) -> Iterator[Range]:
    """What is left of the time from `start` to `end` (None: no bound) without those spans."""
    for gap_start, gap_end in absent:
        if (start and gap_end <= start) or (end and gap_start >= end):
            continue
        if start is None or start < gap_start:
            yield start, gap_start
        start = gap_end
    if start is None or end is None or start < end:
        yield start, end


def merged(spans: Iterable[Span]) -> list[Span]:
    """Of spans in order the longest stretches, as many as leave no more ranges than MAX_RANGES."""
    found: list[Span] = []
    for start, end in spans:
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    found.sort(key=lambda span: span[0] - span[1])
    return sorted(found[: MAX_RANGES - 1])


# --- maintenance -------------------------------------------------------------------------------


def record_next(engine: sa.Engine, before: datetime | None = None) -> Span | None:
    """Make the record that is missing, of the latest span that ended `before` (10 minutes ago).

    None if none is missing, or if it can't be made now: because another process makes one, or an
    event came late, or transactions run for long. Raises DatabaseUnavailable.
    """
    with transaction(engine) as connection:
        if not connection.scalar(sa.text(f"SELECT pg_try_advisory_xact_lock({_ONE_AT_A_TIME})")):
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
    """The spans to record, the latest first: days, or partitions if shorter; hours of the last."""
    days = [day for span in partitions.existing(connection) for day in _pieces(span, _DAY)]
    hours = [hour for day in days if before < day[1] for hour in _pieces(day, _HOUR)]
    return sorted((span for span in days + hours if span[1] <= before), reverse=True)


def _pieces(span: Span, longest: timedelta) -> Iterator[Span]:
    start, end = span
    while start < end:
        yield start, min(start + longest, end)
        start += longest


def _forget(connection: sa.Connection, starts: Sequence[datetime]) -> None:
    """Drop records of hours whose day has one, and of partitions that are gone: all take room."""
    gone = connection.scalars(_FORGET, {"starts": starts}).all() if starts else []
    for start in gone:
        connection.execute(_EMPTY, {"start": start})


def _seen_by_all(engine: sa.Engine) -> bool:
    """Whether every transaction has ended that began to write before this call.

    Such a one may have looked for announced spans before there was one to see. One that begins
    later sees it. A transaction's number tells: lower than that of one which begins now.
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
        time.sleep(0.05)


def _record(engine: sa.Engine, span: Span, build: UUID) -> bool:
    ours = {"start": span[0], "build": build}
    with transaction(engine) as connection:
        connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})"))
        if not connection.scalar(_STILL_OURS, ours):
            return False
        with connection.begin_nested() as keeping:
            lengths = _keep(connection, span)
            # Last, because from here to the commit an event that comes late waits.
            recorded = connection.execute(_RECORD, {**ours, "lengths": lengths}).rowcount > 0
            if not recorded:
                keeping.rollback()
    return recorded


def _keep(connection: sa.Connection, span: Span) -> list[int]:
    """Read the span and keep its n-grams; of which lengths they are all there."""
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
    """Collect the span's n-grams in `found_ngrams`; of which lengths they are all there."""
    connection.execute(_COLLECT)
    (start, end), lengths = span, LENGTHS
    edges = [start + (end - start) * step / _STEPS for step in range(_STEPS + 1)]
    for step in pairwise(edges):
        asked = {"start": step[0], "end": step[1], "lengths": lengths, "most": MAX_NGRAMS}
        many = connection.scalars(_READ, asked).all()
        lengths = [length for length in lengths if length not in many]
    return lengths
