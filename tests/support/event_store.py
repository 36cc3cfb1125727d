"""The reader of stored events, and what a page contains."""

from collections.abc import Iterator

import pytest

from storage.events.page_rows import Page
from storage.events.reader import EventStore
from storage.model.event import now_ms
from storage.model.filters import Filters
from storage.postgres.engine import reading_engine
from storage.settings import StorageSettings

NOW = now_ms()


@pytest.fixture
def events(settings: StorageSettings) -> Iterator[EventStore]:
    found = EventStore(reading_engine(settings.database_url, 2))
    yield found
    found.close()


def ids(page: Page) -> list[str]:
    return [event.id for event in page.events]


def messages(events: EventStore, *parts: str) -> list[str]:
    found = events.page(Filters(message=parts, order="asc")).events
    return [event.message for event in found]
