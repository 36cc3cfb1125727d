"""A writer of batches on a real PostgreSQL, and events that PostgreSQL refuses."""

import secrets
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from storage.events.writer import BatchWriter, Outcome
from storage.model.event import Event
from storage.postgres.engine import plain_engine, writing_engine
from storage.postgres.tables import events
from storage.settings import StorageSettings
from tests.support.queued import make_event

# Valid JSON that PostgreSQL refuses, or fields that the API would not let pass.
POISON = {
    "NUL": make_event("NUL\x00"),
    "escaped NUL": make_event(data=b'"\\u0000"'),
    "broken JSON": make_event(data=b'{"a":'),
    "overflow": make_event(data=b"1e200000"),
    "lone surrogate": make_event(data=b'"\\ud800"'),
    "too long for its index": make_event(component=secrets.token_hex(20_000)),
}


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = plain_engine(settings.database_url)
    yield found
    found.dispose()


@pytest.fixture
def writing(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = writing_engine(settings.database_url)
    yield found
    found.dispose()


@pytest.fixture
def writer(writing: sa.Engine) -> BatchWriter:
    return BatchWriter(writing, "day")


def write(writer: BatchWriter, batch: list[Event], shard: int = 0, fence: int = 1) -> Outcome:
    writer.ensure_partitions(batch)
    with writer.batch(shard, fence) as transaction:
        return transaction.insert(batch)


def stored_row(engine: sa.Engine, event: Event) -> sa.Row[tuple[object, ...]]:
    with engine.connect() as connection:
        return connection.execute(sa.select(events).where(events.c.id == event.id)).one()
