"""Follow the feed while everything goes wrong: each stored event that matches comes once."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random

import msgspec
import sqlalchemy as sa

from storage.errors import StorageError
from storage.events.writer import BatchWriter
from storage.feed.position import Position
from storage.feed.reader import FeedReader
from storage.model.event import created_ms, now_ms
from storage.model.filters import Filters
from storage.postgres.engine import plain_engine, reading_engine, writing_engine
from storage.settings import StorageSettings
from tests.support.queued import make_event

SHARDS, MORE_SHARDS = 4, 6
BATCHES = 24  # of each writer; some are rolled back or fail
RECONNECTS = 100
CLOCK_MS = 2_000
PAUSES = [0.0, 0.001, 0.02, 0.2]
WAITED = 120.0

WANTED = Filters(component=("wanted",))
_FOREIGN = """
    INSERT INTO events (created_at, id, component, environment, message)
    SELECT now() - n * interval '1 second', gen_random_uuid(), 'wanted', 'e', 'of any program'
    FROM generate_series(1, 9) AS n
"""
_KILL = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1
"""
_pause = threading.Event()


class Load:
    """Writers that store, pause, roll back, fail and take over from each other."""

    def __init__(self, settings: StorageSettings) -> None:
        self._url = settings.database_url
        self._lock = threading.Lock()
        self.committed: set[str] = set()

    def drain(self, shard: int, number: int) -> None:
        """Store batches as one of two drains of the shard."""
        draw = Random(shard * 10 + number)
        engine = writing_engine(self._url)
        writer = BatchWriter(engine, "day")
        for batch in range(BATCHES):
            if number and batch % 8 == 7:  # the other one is paused past its lease
                with going_on():
                    writer.terminate_stale_sessions(shard, 1)
            with going_on():
                self._store(writer, shard, draw)
        engine.dispose()

    def _store(self, writer: BatchWriter, shard: int, draw: Random) -> None:
        clock = now_ms() + draw.randint(-CLOCK_MS, CLOCK_MS)
        events = [
            make_event("m", clock - draw.randrange(50), draw.choice(["wanted", "other"]))
            for _ in range(draw.choice([1, 20, 200]))
        ]
        writer.ensure_partitions(events)
        with writer.batch(shard, 1, min(map(created_ms, events))) as transaction:
            transaction.insert(events)
            _pause.wait(draw.choice(PAUSES))
            if draw.random() < 0.1:
                raise RolledBack
        with self._lock:
            self.committed.update(event.id for event in events if event.component == "wanted")

    def any_program(self) -> None:
        """Store without a claim, and end sessions at random."""
        engine = plain_engine(self._url)
        for _ in range(BATCHES):
            with going_on(), engine.begin() as connection:
                connection.exec_driver_sql(_FOREIGN)
                _pause.wait(0.02)
            with going_on(), engine.begin() as connection:
                connection.exec_driver_sql(_KILL)
        engine.dispose()


class RolledBack(StorageError):
    """The writer rolls its batch back."""


@contextmanager
def going_on() -> Iterator[None]:
    """Let a writer go on after an error: its transaction was rolled back, or its answer is lost."""
    try:
        yield
    except (StorageError, sa.exc.DBAPIError):
        _pause.wait(0.01)


class Follower:
    """A reader that has nothing but its position, as text, whenever it connects."""

    def __init__(self, settings: StorageSettings) -> None:
        self._url = settings.database_url
        self._draw = Random(3)
        self._text = b""
        self.seen: list[str] = []
        self.connections = 0
        self.behind = 1

    def connect(self) -> None:
        """Read a few pages over a new connection."""
        engine = reading_engine(self._url, 1)
        reader = FeedReader(engine, walk=self._draw.choice([50, 10_000]))
        with going_on():
            for _ in range(self._draw.randint(1, 4)):
                self._read(reader)
        self.connections += 1
        engine.dispose()

    def _read(self, reader: FeedReader) -> None:
        if not self._text:
            self._text = msgspec.json.encode(reader.start())
        position = msgspec.json.decode(self._text, type=Position)
        page = reader.read(position, WANTED, self._draw.choice([1, 30, 1000]))
        self._text = msgspec.json.encode(page.next)
        self.seen += [event.id for event in page.events]
        self.behind = page.behind


def stored(settings: StorageSettings) -> set[str]:
    engine = plain_engine(settings.database_url)
    query = "SELECT id::text FROM events WHERE component = 'wanted'"
    with engine.connect() as connection:
        found = set(connection.exec_driver_sql(query).scalars())
    engine.dispose()
    return found


def run_writers(load: Load, shards: range, follower: Follower) -> None:
    """Follow while two drains of each of these shards store, and any program does."""
    with ThreadPoolExecutor(2 * len(shards) + 1) as pool:
        drains = [(shard, number) for shard in shards for number in range(2)]
        running = [pool.submit(load.drain, *each) for each in drains]
        running.append(pool.submit(load.any_program))
        while not all(one.done() for one in running):
            follower.connect()
        for one in running:
            one.result(WAITED)


def test_each_stored_event_comes_once_whoever_stores_pauses_fails_or_takes_over(
    settings: StorageSettings,
) -> None:
    load, follower = Load(settings), Follower(settings)
    run_writers(load, range(SHARDS), follower)
    run_writers(load, range(1, MORE_SHARDS), follower)  # the number of shards was changed
    follower.behind = 1
    while follower.behind or follower.connections < RECONNECTS:
        follower.connect()
    expected = stored(settings)
    assert load.committed <= expected
    assert len(expected) > 1_000
    assert [one for one, times in Counter(follower.seen).items() if times > 1] == []
    assert set(follower.seen) == expected
