"""Events of past days, and the records of their n-grams in PostgreSQL."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from storage.events import search
from storage.events.ngram_builder import record_next
from storage.events.ngrams import without
from storage.events.reader import EventStore
from storage.events.writer import BatchWriter
from storage.model.event import Event, to_ms
from storage.model.filters import Filters
from storage.postgres.engine import plain_engine, reading_engine, transaction, writing_engine
from storage.postgres.partitions import Span
from storage.settings import StorageSettings
from tests.support.reading import made, store

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)
PAST = TODAY - 3 * DAY
OTHER = "zebra crossing"  # which no other message holds


def event(message: str, day: datetime = PAST, number: int = 0) -> Event:
    return made(to_ms(day) + 3_600_000 + number, message=message)


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = plain_engine(settings.database_url, 4)
    yield found
    found.dispose()


@pytest.fixture
def events(settings: StorageSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventStore]:
    """Make the walk one row long, so that it finds nearly nothing by itself."""
    for name in ("WALK", "WALK_FAR"):
        monkeypatch.setattr(search, name, 1)
    found = EventStore(reading_engine(settings.database_url, 1))
    yield found
    found.close()


@pytest.fixture
def there(settings: StorageSettings, events: EventStore) -> list[Event]:
    """Two past days with ordinary events, without a record."""
    found = [event("usual", PAST - day * DAY, number) for day in range(2) for number in range(3)]
    store(settings, found)
    return found


def messages(events: EventStore, *parts: str) -> list[str]:
    return [each.message for each in events.page(Filters(message=parts)).events]


def left_out(engine: sa.Engine, *parts: str) -> list[Span]:
    with transaction(engine) as connection:
        return without(connection, parts)


def rows(engine: sa.Engine, query: str) -> Sequence[sa.Row[Any]]:
    with transaction(engine) as connection:
        return connection.execute(sa.text(query)).all()


def change(engine: sa.Engine, statement: str) -> None:
    with transaction(engine) as connection:
        connection.execute(sa.text(statement))


def record_all(engine: sa.Engine) -> list[Span]:
    return list(iter(lambda: record_next(engine), None))


@contextmanager
def storing(settings: StorageSettings, *stored: Event) -> Iterator[None]:
    """Insert them in a drain's transaction, which commits after the block."""
    own = writing_engine(settings.database_url)
    writer = BatchWriter(own, "day")
    writer.ensure_partitions(stored)
    with writer.batch(7, 1) as batch:
        batch.insert(stored)
        yield
    own.dispose()


class Recording:
    """`record_next` in a thread of its own."""

    def __init__(self, engine: sa.Engine) -> None:
        self.result: Span | None = None
        self._engine = engine
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.result = record_next(self._engine)

    def end(self) -> Span | None:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.result
