"""Databases full of events, built once and kept: the same rows for the same version and seed.

A partition is loaded as a plain table, indexed, and then attached: ten million rows take minutes,
where inserting them under six indexes takes half an hour.
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

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from benchmarks.events import VERSION, EventMaker
from storage.batch_writer import copy_text
from storage.database import driver_connection, plain_engine
from storage.event import Event
from storage.message_grams import record_next
from storage.migrate import upgrade

FIRST_DAY = datetime(2026, 10, 1, tzinfo=UTC)
DAY_MS = 86_400_000
FREE_MS = 60_000  # the end of each day is left free, for events that are added and taken out again
OPEN = timedelta(hours=2)  # at the end of the last day, which maintenance has not recorded yet
BUILDERS = 2
_CHUNK = 20_000
_COLUMNS = "created_at, id, component, environment, message, email, data"


@dataclass(frozen=True)
class History:
    """So many events, spread evenly over so many days, a partition each."""

    rows: int
    days: int

    @property
    def database(self) -> str:
        """Its name; another version's rows lie under another one."""
        return f"history_v{VERSION}_{self.rows}_{self.days}"

    @property
    def last_day(self) -> datetime:
        """The start of its last day."""
        return FIRST_DAY + timedelta(days=self.days - 1)

    def rows_of(self, day: int) -> int:
        """How many fall on a day."""
        return self.rows // self.days + (day < self.rows % self.days)


def events_of(history: History, day: int) -> Iterator[Event]:
    """The events of one of its days, in order of time."""
    maker = EventMaker(f"{history.rows}/{history.days}/{day}")
    count = history.rows_of(day)
    start = int((FIRST_DAY + timedelta(days=day)).timestamp() * 1000)
    spread = random.Random(day)
    times = sorted(spread.randrange(DAY_MS - FREE_MS) for _ in range(count))
    for ms in times:
        yield maker.make().event(maker.raw_id(start + ms))


def build(history: History, server_url: str) -> str:
    """The address of the database with this history, made if it is not there yet.

    A build that was ended goes on where it was.
    """
    url = make_url(server_url).set(database=history.database).render_as_string(False)
    _create_database(server_url, history.database)
    upgrade(url)
    missing = sorted(set(range(history.days)) - _days_there(url))
    if missing:
        # Not forked: this process holds connections.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(BUILDERS, len(missing)), context) as pool:
            for day in pool.map(partial(_build_day, history, url), missing):
                print(f"  {history.database}: day {day + 1} of {history.days}", flush=True)
        _run(url, "VACUUM (ANALYZE) events")
    _record(url, FIRST_DAY + timedelta(days=history.days) - OPEN)
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


def _days_there(url: str) -> set[int]:
    engine = plain_engine(url)
    with engine.connect() as connection:
        names = connection.scalars(
            sa.text(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
                "WHERE i.inhparent = 'events'::regclass"
            )
        ).all()
    engine.dispose()
    days = [datetime.strptime(name.split("_")[1], "%Y%m%d").replace(tzinfo=UTC) for name in names]
    return {(day - FIRST_DAY).days for day in days}


def _run(url: str, statement: str) -> None:
    engine = plain_engine(url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("SET maintenance_work_mem = '1GB'"))
        connection.execute(sa.text(statement))
    engine.dispose()


def _build_day(history: History, url: str, day: int) -> int:
    start = FIRST_DAY + timedelta(days=day)
    end = start + timedelta(days=1)
    name = f"events_{start:%Y%m%d}_{end:%Y%m%d}"
    engine = plain_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL maintenance_work_mem = '1GB'"))
        connection.execute(sa.text(f"CREATE TABLE {name} (LIKE events INCLUDING ALL)"))
        indexes = _take_indexes(connection, name)
        _copy(connection, name, events_of(history, day))
        for statement in indexes:
            connection.execute(sa.text(statement))
        connection.execute(
            sa.text(
                f"ALTER TABLE events ATTACH PARTITION {name} "
                f"FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
            )
        )
    engine.dispose()
    return day


def _record(url: str, until: datetime) -> None:
    """What maintenance does in the course of time."""
    engine = plain_engine(url)
    made = sum(1 for _ in iter(lambda: record_next(engine, until), None))
    engine.dispose()
    if made:
        _run(url, "VACUUM (ANALYZE) message_spans, message_grams")


def _take_indexes(connection: sa.Connection, table: str) -> list[str]:
    """Drop the table's indexes and key; the statements that make them again."""
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
    statement = f"COPY {table} ({_COLUMNS}) FROM STDIN (FREEZE)"
    with driver_connection(connection) as driver, driver.cursor() as cursor:
        while chunk := list(islice(events, _CHUNK)):
            cursor.copy_expert(statement, io.BytesIO(copy_text(chunk)), size=1 << 20)
