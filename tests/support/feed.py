"""A reader of the feed on a real PostgreSQL, and one that follows it to its end."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from storage.feed.position import Position
from storage.feed.reader import FeedReader
from storage.model.event import Event
from storage.model.filters import Filters
from storage.postgres.engine import reading_engine
from storage.settings import StorageSettings

ALL = Filters()


@pytest.fixture
def feed(settings: StorageSettings) -> Iterator[FeedReader]:
    engine = reading_engine(settings.database_url, 2)
    yield FeedReader(engine)
    engine.dispose()


def follow(
    reader: FeedReader, position: Position, filters: Filters = ALL, limit: int = 1000
) -> tuple[list[Event], Position]:
    """Read until nothing is behind; return all events, and the position behind them."""
    events: list[Event] = []
    while True:
        page = reader.read(position, filters, limit)
        assert len(page.events) <= limit
        events += page.events
        if not page.behind:
            return events, page.next
        assert page.next != position
        position = page.next


def ids(events: list[Event]) -> list[str]:
    return [event.id for event in events]


def execute(engine: sa.Engine, statement: str) -> None:
    """Run a statement in a transaction of its own, as any other program would."""
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
