"""A history with a person in it, an eraser of it, and what is left of the person afterwards."""

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import pytest
import redis
import sqlalchemy as sa

from storage.erasure import records
from storage.erasure.eraser import Eraser, Servers, lent_servers
from storage.erasure.records import Erasure
from storage.erasure.runner import run_pending
from storage.events.writer import BatchWriter
from storage.model.erasing import Address
from storage.model.event import Event, now_ms
from storage.postgres.engine import (
    outside_transaction,
    plain_engine,
    transaction,
    writing_engine,
)
from storage.postgres.tables import metadata
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support.queued import make_event

JO = "jo.do@example.com"
DAY_MS = 86_400_000
_SHARD = 60  # of no queue, so no erasure raises its fence


@dataclass
class ErasureBench:
    """Real servers, and an eraser that need not wait for what is in flight."""

    settings: StorageSettings
    servers: Servers
    writer: BatchWriter

    @property
    def engine(self) -> sa.Engine:
        return self.servers.engine

    @property
    def queue(self) -> redis.Redis:
        return self.servers.queue

    @property
    def control(self) -> redis.Redis:
        return self.servers.control

    def eraser(self) -> Eraser:
        return Eraser(self.servers, in_flight_ms=0)

    def begin(self, email: str = JO, rewrite: bool = False) -> Erasure:
        return self.eraser().begin(Address.of(email), "somebody@host", rewrite)

    def store(self, events: Sequence[Event]) -> None:
        """Store events as a drain does."""
        self.writer.ensure_partitions(events)
        with self.writer.batch(_SHARD, 1) as batch:
            batch.insert(events)

    def finish(self, eraser: Eraser | None = None) -> None:
        """Go through all steps of all erasures."""
        eraser = eraser or self.eraser()
        wait_until(lambda: run_pending(self.engine, eraser) is False, "all to be erased", 120)

    def record(self, erasure: Erasure) -> Erasure:
        with transaction(self.engine) as connection:
            found = records.get(connection, erasure.id)
        assert found is not None
        return found

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]


@pytest.fixture
def erasing(settings: StorageSettings) -> Iterator[ErasureBench]:
    engine = plain_engine(settings.database_url, pool=2)
    writing = writing_engine(settings.database_url)
    with connect(settings.queue_url) as queue, connect(settings.control_url) as control:
        servers = Servers(engine, queue, control, settings.shards)
        yield ErasureBench(settings, servers, BatchWriter(writing, "day"))
    for used in (engine, writing):
        used.dispose()


@contextmanager
def supervised(settings: StorageSettings) -> Iterator[None]:
    """Go through the steps of erasures for the block, as a supervisor of workers does."""
    stop = threading.Event()
    with lent_servers(settings, settings.shards) as servers:
        eraser = Eraser(servers, in_flight_ms=100)

        def run() -> None:
            while not stop.wait(0.1):
                run_pending(servers.engine, eraser, stop.is_set)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(60)


def history(days: int = 3, end_ms: int | None = None) -> list[Event]:
    """Make events of Jo, of others who name Jo, and of others, over some days until now or then."""
    made: list[Event] = []
    for day in range(days):
        ms = (end_ms or now_ms()) - day * DAY_MS - 1_000
        made += [
            make_event(f"of Jo {day}", ms, email="Jo.Do@Example.com"),
            make_event(f"mail to JO.DO@example.com, {day}", ms + 1),
            make_event(f"data {day}", ms + 2, data=b'{"to": [{"jo.do@example.com": 1.50}]}'),
            make_event(f"of banjo.do@example.com {day}", ms + 3, email="banjo.do@example.com"),
            make_event(f"of nobody {day}", ms + 4, data=b'{"amount": 12.50}'),
        ]
    return made


def assert_history_is_erased(bench: ErasureBench, days: int = 3) -> None:
    """Check what is left of `history`."""
    found = bench.rows("SELECT message, data::text, email FROM events ORDER BY created_at, id")
    wanted: list[tuple[object, ...]] = []
    for day in reversed(range(days)):
        wanted += [
            (f"mail to [erased], {day}", None, None),
            (f"data {day}", '{"to": [{"[erased]": 1.50}]}', None),
            (f"of banjo.do@example.com {day}", None, "banjo.do@example.com"),
            (f"of nobody {day}", '{"amount": 12.50}', None),
        ]
    assert found == wanted


def names_jo(raw: bytes) -> bool:
    """Return whether bytes have Jo's address, and not only that of another."""
    return re.search(rb"(?i)(?<!ban)jo\.do@example", raw) is not None


def files_with(settings: StorageSettings, engine: sa.Engine, needle: bytes) -> list[str]:
    """Return which files of the servers have these bytes, in any case: tables, indexes, logs.

    PostgreSQL's write-ahead log is not among them.
    """
    with outside_transaction(engine) as connection:
        connection.exec_driver_sql("CHECKPOINT")
        database = connection.scalar(
            sa.text("SELECT oid FROM pg_database WHERE datname = current_database()")
        )
    data = Path(unquote(settings.queue_url.partition("://")[2].partition("?")[0])).parents[1]
    folders = (data / "postgres/base" / str(database), data / "queue", data / "log")
    paths = [path for each in folders for path in each.rglob("*")]
    return sorted(str(path.relative_to(data)) for path in paths if _has(path, needle))


def kinds_of_relations(engine: sa.Engine, files: Sequence[str]) -> set[str]:
    """Return of which kinds the relations in these files are (`files_with`): r table, i index."""
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT CAST(relkind AS text), pg_relation_filepath(oid) FROM pg_class")
        ).all()
    return {kind for kind, path in rows if f"postgres/{path}" in files}


def tables_with(engine: sa.Engine, needle: str) -> list[str]:
    """Return which tables have a row with this text, in lower case, in any of their columns."""
    found = []
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            texts = [
                f"encode({column.name}, 'escape')"
                if isinstance(column.type, sa.LargeBinary)
                else f"CAST({column.name} AS text)"
                for column in table.columns
            ]
            row = f"lower(concat_ws(' ', {', '.join(texts)}))"
            query = f"SELECT count(*) FROM {table.name} WHERE strpos({row}, :needle) > 0"
            if connection.scalar(sa.text(query), {"needle": needle}):
                found.append(table.name)
    return found


def _has(path: Path, needle: bytes) -> bool:
    try:
        return path.is_file() and needle in path.read_bytes().lower()
    except FileNotFoundError:  # removed meanwhile
        return False


def keys_with(client: redis.Redis, needle: bytes) -> list[str]:
    """Return which keys of a Redis server have these bytes in any case, in name or value."""
    read: dict[bytes, Callable[[Any], Any]] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"stream": client.xrange,
    }
    found = []
    for key in client.scan_iter(count=1_000):
        value = read[cast(bytes, client.type(key))](key)
        if needle in repr((key, value)).lower().encode():
            found.append(repr(key))
    return found
