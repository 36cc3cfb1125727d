"""A search misses no event that comes late, or while its span is recorded."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from storage.cache.invalidation import CacheInvalidator
from storage.dead_letters import DeadLetters
from storage.events import ngram_builder
from storage.events.insertion import insert_events
from storage.events.ngram_builder import record_next
from storage.events.reader import EventStore
from storage.model.event import Event, to_ms
from storage.postgres.engine import transaction, writing_engine
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.waiting import wait_until
from tests.support import ngram_records
from tests.support.ngram_records import (
    DAY,
    OTHER,
    PAST,
    TODAY,
    Recording,
    change,
    event,
    left_out,
    messages,
    record_all,
    rows,
    storing,
)
from tests.support.queued import add_dead_letter
from tests.support.reading import made, store

engine = ngram_records.engine
events = ngram_records.events
there = ngram_records.there


def test_an_event_that_comes_late_is_found(
    settings: StorageSettings, engine: sa.Engine, events: EventStore, there: list[Event]
) -> None:
    record_all(engine)
    with storing(settings, event(OTHER), event("usual", TODAY)):
        assert messages(events, "zebra") == []
    assert messages(events, "zebra") == [OTHER]
    assert left_out(engine, "zebra") == [(PAST - DAY, PAST)]


def test_a_span_with_a_late_event_is_recorded_again_after_an_hour(
    settings: StorageSettings, engine: sa.Engine, events: EventStore, there: list[Event]
) -> None:
    record_all(engine)
    store(settings, [event(OTHER)])
    store(settings, [event("a second one")])
    assert record_all(engine) == []
    change(engine, "UPDATE message_spans SET late = late - interval '1 hour'")
    assert record_all(engine) == [(PAST, PAST + DAY)]
    assert messages(events, "zebra") == [OTHER]
    assert left_out(engine, "zebra") == [(PAST - DAY, PAST)]
    assert left_out(engine, "quagga") == [(PAST - DAY, PAST + DAY)]


def test_a_batch_flags_the_spans_that_its_events_fall_into_and_no_other(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    days = [PAST - day * DAY for day in range(5)]
    store(settings, [event("usual", day) for day in days])
    record_all(engine)
    edges = [made(to_ms(days[1]) - 1, message="x"), made(to_ms(days[4]), message="x")]
    store(settings, [*edges, event("x", TODAY)])
    found = rows(engine, "SELECT start_at FROM message_spans WHERE late IS NOT NULL ORDER BY 1")
    assert [row.start_at for row in found] == [days[4], days[2]]


def test_a_dead_letter_that_is_replayed_is_found(
    settings: StorageSettings, engine: sa.Engine, events: EventStore, there: list[Event]
) -> None:
    record_all(engine)
    letter = event(OTHER)
    with connect(settings.control_url) as control:
        letters = DeadLetters(engine, "day", CacheInvalidator(control))
        add_dead_letter(engine, letter)
        found = letters.find(UUID(letter.id))
        assert found
        assert letters.replay(found) is None
    assert messages(events, "zebra") == [OTHER]


def test_an_event_that_is_not_committed_yet_when_its_span_is_announced_is_waited_for(
    settings: StorageSettings, engine: sa.Engine, events: EventStore, there: list[Event]
) -> None:
    with storing(settings, event(OTHER)):
        recording = Recording(engine)
        wait_until(lambda: rows(engine, "SELECT FROM message_spans"), "the announcement")
    assert recording.end() == (PAST, PAST + DAY)
    assert messages(events, "zebra") == [OTHER]
    assert left_out(engine, "quagga") == [(PAST, PAST + DAY)]


def test_a_transaction_that_lasts_too_long_is_waited_for_another_time(
    settings: StorageSettings,
    engine: sa.Engine,
    events: EventStore,
    there: list[Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ngram_builder, "_WAIT_SECONDS", 0.1)
    with storing(settings, event(OTHER)):
        assert record_next(engine) is None
        assert left_out(engine, "quagga") == []
    assert record_next(engine) == (PAST, PAST + DAY)
    assert messages(events, "zebra") == [OTHER]


def test_an_event_that_is_stored_while_its_span_is_being_announced_is_waited_for(
    settings: StorageSettings,
    engine: sa.Engine,
    events: EventStore,
    there: list[Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ExitStack() as stack, monkeypatch.context() as patch:

        @contextmanager
        def announcing(engine: sa.Engine) -> Iterator[sa.Connection]:
            with transaction(engine) as connection:
                yield connection
                patch.setattr(ngram_builder, "transaction", transaction)
                stack.enter_context(storing(settings, event(OTHER)))

        patch.setattr(ngram_builder, "transaction", announcing)
        patch.setattr(ngram_builder, "_WAIT_SECONDS", 0.1)
        assert record_next(engine) is None
    assert record_next(engine) == (PAST, PAST + DAY)
    assert messages(events, "zebra") == [OTHER]


@pytest.mark.parametrize("step", ["_seen_by_all", "_read"])
@pytest.mark.parametrize("before", [True, False])
def test_an_event_that_is_stored_at_any_step_of_a_recording_is_found(
    settings: StorageSettings,
    engine: sa.Engine,
    events: EventStore,
    there: list[Event],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    before: bool,
) -> None:
    original = getattr(ngram_builder, step)

    def meanwhile(*arguments: Any) -> Any:
        if before:
            store(settings, [event(OTHER)])
        found = original(*arguments)
        if not before:
            store(settings, [event(OTHER)])
        return found

    monkeypatch.setattr(ngram_builder, step, meanwhile)
    assert record_next(engine) is None
    assert messages(events, "zebra") == [OTHER]
    assert left_out(engine, "quagga") == []
    assert rows(engine, "SELECT FROM message_grams") == []


@pytest.mark.parametrize("committed", [True, False])
def test_an_event_that_is_being_stored_while_a_recording_ends_decides_about_it(
    settings: StorageSettings,
    engine: sa.Engine,
    events: EventStore,
    there: list[Event],
    monkeypatch: pytest.MonkeyPatch,
    committed: bool,
) -> None:
    inserted, read = threading.Event(), ngram_builder._read

    def meanwhile(*arguments: Any) -> list[int]:
        found = read(*arguments)
        reached.set()
        assert inserted.wait(20)
        return found

    reached = threading.Event()
    monkeypatch.setattr(ngram_builder, "_read", meanwhile)
    recording = Recording(engine)
    assert reached.wait(20)
    try:
        with storing(settings, event(OTHER)):
            inserted.set()
            wait_until(lambda: waiting(engine), "the recording to wait for the event")
            if not committed:
                raise InterruptedError
    except InterruptedError:
        pass
    assert recording.end() == (None if committed else (PAST, PAST + DAY))
    assert messages(events, "zebra") == ([OTHER] if committed else [])
    assert bool(left_out(engine, "quagga")) is not committed


def waiting(engine: sa.Engine) -> bool:
    query = "SELECT FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
    return bool(rows(engine, query))


def test_whatever_isolation_the_server_prefers_a_late_event_is_found(
    servers: TestServers,
    settings: StorageSettings,
    engine: sa.Engine,
    events: EventStore,
    there: list[Event],
) -> None:
    database = make_url(settings.database_url).database
    servers.execute(
        f"ALTER DATABASE {database} SET default_transaction_isolation = 'repeatable read'"
    )
    own = writing_engine(settings.database_url)
    with transaction(own) as connection:
        connection.execute(sa.text("SELECT FROM events"))
        assert record_next(engine) == (PAST, PAST + DAY)
        insert_events(connection, [event(OTHER)])
    own.dispose()
    assert messages(events, "zebra") == [OTHER]


def test_the_record_of_a_partition_that_was_dropped_does_no_harm_and_goes(
    settings: StorageSettings, engine: sa.Engine, events: EventStore, there: list[Event]
) -> None:
    record_all(engine)
    change(engine, f"DROP TABLE {partitions_name(PAST - DAY)}")
    assert messages(events, "zebra") == []
    store(settings, [event(OTHER, PAST - DAY)])
    assert messages(events, "zebra") == [OTHER]
    change(engine, f"DROP TABLE {partitions_name(PAST - DAY)}")
    change(engine, f"DROP TABLE {partitions_name(PAST)}")
    assert record_all(engine) == []
    assert rows(engine, "SELECT FROM message_spans") == []
    assert rows(engine, "SELECT FROM message_grams") == []


def partitions_name(day: datetime) -> str:
    return f"events_{day:%Y%m%d}_{day + DAY:%Y%m%d}"
