"""N-grams of past messages, so that a search skips the spans of time that can't match.

A message is compared by its *form*, as ILIKE does: in lower case, and with each number as one 0.
The form of a part of a message is part of the message's form. So if one *n-gram* of the searched
part (a piece of a certain length) is in no message of a span, then neither is the part.

A record of a span's n-grams must not miss a message. `ngram_builder` announces the span first, then
waits until every transaction has ended that may not have seen the announcement, and only then reads
the span. Who stores an event in an announced span flags the span as late, in the same transaction
and by a statement after the insert: then no record is made, or it is not valid any more. This holds
whatever the clocks say, and needs no lock on the events.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa

from storage.model.event import Event, hours_of
from storage.postgres import locks
from storage.postgres.locks import Lock
from storage.postgres.partitions import Span

Range = tuple[datetime | None, datetime | None]

LENGTHS = [1, 2, 4, 6]  # of n-grams, in characters
MAX_RANGES = 16  # of one search: each is a statement
_MAX_CHARACTERS = 40  # of all searched parts together; the rest of them is not looked up

FORM = "regexp_replace(lower(message), '[0-9]+', '0', 'g')"

# No span is longer than 24 hours, so only a few rows are read.
_FLAG_LATE = sa.text("""
    UPDATE message_spans SET late = now()
    FROM unnest(CAST(:hours AS timestamptz[])) AS hour
    WHERE start_at > hour - interval '24 hours' AND start_at < hour + interval '1 hour'
    AND hour < end_at AND late IS NULL
""")
# A late span is recorded again after an hour.
_DUE_NOW = sa.text("""
    UPDATE message_spans SET late = now() - interval '2 hours'
    FROM unnest(CAST(:hours AS timestamptz[])) AS hour
    WHERE start_at > hour - interval '24 hours' AND start_at < hour + interval '1 hour'
    AND hour < end_at AND late IS NOT NULL RETURNING start_at
""")
_FORGET = sa.text("DELETE FROM message_grams WHERE span = :start")
# Of each part only the longest recorded n-grams count: they say all that shorter ones would.
_WITHOUT = sa.text(f"""
    WITH part AS MATERIALIZED (
        SELECT number, left({FORM}, :characters) AS form
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


def flag_late_spans(connection: sa.Connection, events: Iterable[Event]) -> None:
    """Flag the spans of these events as late, in the transaction that has inserted them."""
    flag_late_hours(connection, hours_of(events))


def flag_late_hours(connection: sa.Connection, hours: Sequence[datetime]) -> None:
    """Flag the spans of these hours as late, after a change of messages in this transaction."""
    connection.execute(_FLAG_LATE, {"hours": list(hours)})


def forget_late_spans(connection: sa.Connection, hours: Sequence[datetime]) -> None:
    """Delete the n-grams of these hours that are late, and let their spans be recorded soon."""
    locks.acquire(connection, Lock.NGRAM_RECORDS)  # no span is being recorded meanwhile
    for start in connection.scalars(_DUE_NOW, {"hours": list(hours)}).all():
        connection.execute(_FORGET, {"start": start})


def without(connection: sa.Connection, parts: Sequence[str]) -> list[Span]:
    """Return the spans, in order, no message of which contains any of these parts, in any case.

    They are valid for the snapshot of this transaction: read the events in the same one.
    """
    if not parts:
        return []
    characters = max(max(LENGTHS), _MAX_CHARACTERS // len(parts))
    wanted = {"parts": list(parts), "lengths": LENGTHS, "characters": characters}
    return merged((row.start_at, row.end_at) for row in connection.execute(_WITHOUT, wanted))


def ranges(start: datetime | None, end: datetime | None, absent: Sequence[Span]) -> Iterator[Range]:
    """Yield what is left of the time from `start` to `end` (None: no bound) without `absent`."""
    for gap_start, gap_end in absent:
        if (start and gap_end <= start) or (end and gap_start >= end):
            continue
        if start is None or start < gap_start:
            yield start, gap_start
        start = gap_end
    if start is None or end is None or start < end:
        yield start, end


def merged(spans: Iterable[Span]) -> list[Span]:
    """Join adjacent spans, which are in order; return the longest, at most MAX_RANGES - 1.

    So many gaps leave at most MAX_RANGES ranges to search.
    """
    joined: list[Span] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    joined.sort(key=lambda span: span[0] - span[1])
    return sorted(joined[: MAX_RANGES - 1])
