"""Build databases full of events once and keep them: equal rows for an equal version and seed.

A partition is loaded as a table without indexes, indexed, and then attached. Ten million rows take
minutes this way; inserts under six indexes take half an hour.
"""

import io
import multiprocessing
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from benchmarks.events import VERSION, EventMaker
from storage.events.copy_format import COLUMNS, copy_text
from storage.events.hour_counter import count_missing
from storage.events.ngram_builder import record_next
from storage.model.event import Event, to_ms
from storage.postgres.engine import driver_connection, plain_engine
from storage.postgres.migrate import upgrade
from storage.postgres.partitions import Span, existing, name_of

FIRST_DAY = datetime(2026, 10, 1, tzinfo=UTC)
FREE_MS = 60_000  # the end of each span stays free, for events that are added and removed again
OPEN = timedelta(hours=2)  # at the end of the history; maintenance has not recorded it yet
BUILDERS = 2
_CHUNK = 20_000


@dataclass(frozen=True)
class History:
    """A number of events, spread evenly over a number of days, a partition for each day or hour."""

    rows: int
    days: int
    partition_by: Literal["day", "hour"] = "day"

    @property
    def database(self) -> str:
        """Return the name of the database, which contains the version of the rows."""
        by = "" if self.partition_by == "day" else f"_by_{self.partition_by}"
        return f"history_v{VERSION}_{self.rows}_{self.days}{by}"

    @property
    def end(self) -> datetime:
        """Return the end of its last day."""
        return FIRST_DAY + timedelta(days=self.days)

    @property
    def spans(self) -> list[Span]:
        """Return the spans of its partitions, in order."""
        step = timedelta(days=1) if self.partition_by == "day" else timedelta(hours=1)
        starts = (FIRST_DAY + step * number for number in range((self.end - FIRST_DAY) // step))
        return [(start, start + step) for start in starts]

    def rows_of(self, number: int) -> int:
        """Return the number of rows in one of its spans."""
        spans = len(self.spans)
        return self.rows // spans + (number < self.rows % spans)


def events_of(history: History, number: int) -> Iterator[Event]:
    """Make the events of one of its spans, in order of time."""
    maker = EventMaker(f"{history.rows}/{history.days}/{number}")
    start, end = history.spans[number]
    width_ms = (end - start) // timedelta(milliseconds=1) - FREE_MS
    spread = random.Random(number)
    times = sorted(spread.randrange(width_ms) for _ in range(history.rows_of(number)))
    for ms in times:
        yield maker.make().event(maker.raw_id(to_ms(start) + ms))


def build(history: History, server_url: str) -> str:
    """Return the address of the database with this history; build it if it is missing.

    A build that was interrupted continues.
    """
    url = make_url(server_url).set(database=history.database).render_as_string(False)
    _create_database(server_url, history.database)
    upgrade(url)
    existing = _existing_spans(url)
    missing = [number for number, span in enumerate(history.spans) if span not in existing]
    if missing:
        # not forked, because this process holds connections
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(BUILDERS, len(missing)), context) as pool:
            for number in pool.map(partial(_build_span, history, url), missing):
                print(f"  {history.database}: {number + 1} of {len(history.spans)}", flush=True)
        _run(url, "VACUUM (ANALYZE) events")
    _record(url, history.end - OPEN)
    return url


def _create_database(server_url: str, name: str) -> None:
    engine = plain_engine(server_url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        found = connection.scalar(
            sa.text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}
        )
        if not found:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()


def _existing_spans(url: str) -> list[Span]:
    engine = plain_engine(url)
    with engine.connect() as connection:
        found = existing(connection)
    engine.dispose()
    return found


def _run(url: str, statement: str) -> None:
    engine = plain_engine(url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("SET maintenance_work_mem = '1GB'"))
        connection.execute(sa.text(statement))
    engine.dispose()


def _build_span(history: History, url: str, number: int) -> int:
    start, end = history.spans[number]
    name = name_of((start, end))
    engine = plain_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL maintenance_work_mem = '1GB'"))
        connection.execute(sa.text(f"CREATE TABLE {name} (LIKE events INCLUDING ALL)"))
        indexes = _take_indexes(connection, name)
        _copy(connection, name, events_of(history, number))
        for statement in indexes:
            connection.execute(sa.text(statement))
        connection.execute(
            sa.text(
                f"ALTER TABLE events ATTACH PARTITION {name} "
                f"FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
            )
        )
    engine.dispose()
    return number


def _record(url: str, until: datetime) -> None:
    """Count the events and record the n-grams of past messages, as maintenance does over time."""
    engine = plain_engine(url)
    count_missing(engine, seconds=3_600)
    made = sum(1 for _ in iter(lambda: record_next(engine, until), None))
    engine.dispose()
    if made:
        _run(url, "VACUUM (ANALYZE) message_spans, message_grams")


def _take_indexes(connection: sa.Connection, table: str) -> list[str]:
    """Drop the table's indexes and key; return the statements that make them again."""
    rows = connection.execute(
        sa.text(
            "SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS made, "
            "pg_get_constraintdef(k.oid) AS key, k.conname FROM pg_index i "
            "LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid "
            f"WHERE i.indrelid = '{table}'::regclass"
        )
    ).all()
    for row in rows:
        drop = f"ALTER TABLE {table} DROP CONSTRAINT {row.conname}" if row.key else None
        connection.execute(sa.text(drop or f"DROP INDEX {row.name}"))
    return [
        f"ALTER TABLE {table} ADD CONSTRAINT {row.conname} {row.key}" if row.key else row.made
        for row in rows
    ]


def _copy(connection: sa.Connection, table: str, events: Iterator[Event]) -> None:
    statement = f"COPY {table} ({COLUMNS}) FROM STDIN (FREEZE)"
    with driver_connection(connection) as driver, driver.cursor() as cursor:
        while chunk := list(islice(events, _CHUNK)):
            cursor.copy_expert(statement, io.BytesIO(copy_text(chunk)), size=1 << 20)
