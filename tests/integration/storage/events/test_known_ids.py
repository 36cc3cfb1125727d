"""Which of many ids have left the queue: asked at once, over many partitions."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.events.reader import EventStore
from storage.model.event import to_ms
from storage.postgres.engine import transaction, writing_engine
from storage.postgres.tables import dead_letters
from storage.settings import StorageSettings
from tests.support import event_store
from tests.support.queued import id_bytes, make_event
from tests.support.reading import store

events = event_store.events
PAST = datetime(2012, 1, 31, 23, 59, 59, 999_000, tzinfo=UTC)


def test_stored_events_and_dead_letters_are_known_and_no_others(
    settings: StorageSettings, events: EventStore
) -> None:
    made = [make_event(ms=to_ms(PAST + timedelta(days=3 * n))) for n in range(1_500)]
    stored, dead = made[::3], made[1:40:3]
    store(settings, stored)
    engine = writing_engine(settings.database_url)
    with transaction(engine) as connection:
        for event in dead:
            row = {"id": event.id, "created_at": event.created_at, "event": b"x", "reason": "r"}
            connection.execute(dead_letters.insert().values(row))
    engine.dispose()
    found = events.known([id_bytes(event) for event in made])
    assert found == {id_bytes(event) for event in [*stored, *dead]}
    for each, known in ((stored[0], True), (dead[0], True), (made[2], False)):
        assert (events.known([id_bytes(each)]) == {id_bytes(each)}) == known


@pytest.mark.parametrize("ms", [0, 1, 253_000_000_000_000])
def test_the_ends_of_time_are_asked_for(events: EventStore, ms: int) -> None:
    assert events.known([id_bytes(make_event(ms=ms))]) == set()
