"""A search skips the spans whose messages can't match, and never misses an event."""

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from storage.cache.invalidation import CacheInvalidator
from storage.dead_letters import DeadLetters
from storage.events import ngram_builder, queries, search
from storage.events.insertion import insert_events
from storage.events.ngram_builder import record_next
from storage.events.ngrams import without
from storage.events.reader import EventStore
from storage.events.writer import BatchWriter
from storage.model.event import Event, to_ms
from storage.model.filters import Filters
from storage.postgres.engine import plain_engine, reading_engine, transaction, writing_engine
from storage.postgres.partitions import Span
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.waiting import wait_until
from tests.support.queued import add_dead_letter
from tests.support.reading import made, store
from worker.maintenance import Maintenance

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
    """It walks one row, and so finds nearly everything."""
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


# --- what is recorded, and when ----------------------------------------------------------------


def test_a_day_that_is_over_is_left_out_where_it_holds_nothing_of_what_is_asked_for(
    engine: sa.Engine, events: EventStore, there: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert left_out(engine, "zebra") == []
    assert record_all(engine) == [(PAST, PAST + DAY), (PAST - DAY, PAST)]
    assert left_out(engine, "zebra") == [(PAST - DAY, PAST + DAY)]
    assert left_out(engine, "SUAL") == left_out(engine, "zebra", "sua") == []
    asked: list[Filters] = []
    page_query = queries.page_query

    def noted(part: Filters) -> Any:
        asked.append(part)
        return page_query(part)

    monkeypatch.setattr(search, "page_query", noted)
    assert messages(events, "zebra") == []
    assert not any(
        (part.start is None or part.start < PAST + DAY) and (part.end is None or part.end > PAST)
        for part in asked
    )
    assert len(messages(events, "SUAL")) == len(there)


def test_maintenance_makes_one_record_a_round_and_each_once(
    engine: sa.Engine, there: list[Event]
) -> None:
    maintenance = Maintenance(engine, "day", 1)
    maintenance.run_once()
    assert len(rows(engine, "SELECT FROM message_spans")) == 1, "partitions must be made in time"
    record_all(engine)
    builds = "SELECT start_at, build FROM message_spans WHERE lengths = '{1,2,4,6}'"
    before = rows(engine, builds)
    assert len(before) >= 2
    maintenance.run_once()
    assert set(rows(engine, builds)) >= set(before)


def test_what_may_still_be_written_to_is_not_recorded(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    now = datetime.now(UTC)
    store(settings, [event("usual", now), event("usual", now + DAY)])
    assert all(end <= now - timedelta(minutes=10) for _, end in record_all(engine))


def test_of_the_day_that_is_not_over_each_hour_is_recorded_until_the_day_is(
    settings: StorageSettings, engine: sa.Engine, events: EventStore
) -> None:
    hours = [PAST + hour * timedelta(hours=1) for hour in range(24)]
    store(settings, [made(to_ms(hour), message=f"{hour.hour % 2} usual") for hour in hours])
    store(settings, [made(to_ms(hours[3]), message=OTHER)])
    in_the_fifth = hours[4] + timedelta(minutes=59)
    assert record_next(engine, in_the_fifth) == (hours[3], hours[4])
    assert left_out(engine, "zebra") == []
    assert left_out(engine, "quagga") == [(hours[3], hours[4])]
    while record_next(engine, in_the_fifth):
        pass
    assert left_out(engine, "zebra") == [(hours[0], hours[3])]
    assert left_out(engine, "quagga") == [(hours[0], hours[4])]
    assert messages(events, "zebra") == [OTHER]
    assert record_all(engine) == [(PAST, PAST + DAY)]
    assert [row.end_at for row in rows(engine, "SELECT end_at FROM message_spans")] == [PAST + DAY]
    assert [row.span for row in rows(engine, "SELECT DISTINCT span FROM message_grams")] == [PAST]
    assert left_out(engine, "quagga") == [(PAST, PAST + DAY)]
    assert messages(events, "zebra") == [OTHER]


def test_a_day_counts_as_over_some_minutes_after_its_end_by_the_clock_of_postgresql(
    settings: StorageSettings, engine: sa.Engine, there: list[Event]
) -> None:
    assert record_next(engine, PAST + timedelta(minutes=59)) == (PAST - DAY, PAST)
    with transaction(engine) as connection:
        closed = connection.scalars(ngram_builder._CLOSED).one()
    assert timedelta(minutes=9) < datetime.now(UTC) - closed < timedelta(minutes=11)


def test_of_a_month_each_day_is_recorded(settings: StorageSettings, engine: sa.Engine) -> None:
    monthly = settings.model_copy(update={"partition_by": "month"})
    first = datetime(2026, 2, 1, tzinfo=UTC)
    store(monthly, [event("usual", first), event("rare", first + DAY)])
    while record_next(engine, first + 3 * DAY):
        pass
    days = [first + day * DAY for day in range(4)]
    assert left_out(engine, "rare") == [(days[0], days[1]), (days[2], days[3])]


def test_several_that_record_at_once_do_so_once(
    settings: StorageSettings, engine: sa.Engine, there: list[Event]
) -> None:
    engines = [plain_engine(settings.database_url) for _ in range(4)]
    for _ in range(6):
        recordings = [Recording(each) for each in engines]
        for recording in recordings:
            recording.end()
    assert len(rows(engine, "SELECT FROM message_spans WHERE lengths = '{1,2,4,6}'")) == 2
    assert len(left_out(engine, "zebra")) == 1
    assert left_out(engine, "usual") == []
    for each in engines:
        each.dispose()


def test_what_was_killed_in_the_middle_leaves_nothing_and_is_made_again(
    engine: sa.Engine, there: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ngram_builder._read

    def killed(*arguments: Any) -> list[int]:
        read(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ngram_builder, "_read", killed)
        with pytest.raises(KeyboardInterrupt):
            record_next(engine)
    assert left_out(engine, "zebra") == []
    assert rows(engine, "SELECT FROM message_grams") == []
    assert record_next(engine) == (PAST, PAST + DAY)
    assert left_out(engine, "zebra") == [(PAST, PAST + DAY)]


def test_too_many_different_ngrams_are_not_kept_and_do_not_count(
    settings: StorageSettings,
    engine: sa.Engine,
    there: list[Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ngram_builder, "MAX_NGRAMS", 600)
    spread = random.Random(3)
    letters = "abcdefghijklm"
    store(
        settings,
        [event("".join(spread.choices(letters, k=40)), number=n) for n in range(500)],
    )
    record_all(engine)
    found = rows(engine, "SELECT lengths FROM message_spans WHERE late IS NULL ORDER BY start_at")
    assert [row.lengths for row in found] == [[1, 2, 4, 6], [1, 2]]
    assert (
        rows(engine, f"SELECT FROM message_grams WHERE length(gram) > 2 AND span = '{PAST}'") == []
    )
    assert left_out(engine, "abcdefg") == [(PAST - DAY, PAST)]
    assert left_out(engine, "abcdefz") == [(PAST - DAY, PAST + DAY)]


def test_what_takes_too_long_is_given_up_and_not_tried_again(
    engine: sa.Engine, there: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = "SELECT size FROM pg_sleep(60), unnest(CAST(:lengths AS integer[])) AS size"
    slow += " WHERE :start < :end AND :most > 0"
    monkeypatch.setattr(ngram_builder, "_READ", sa.text(slow))
    monkeypatch.setattr(ngram_builder, "_STEP_LIMIT_MS", 20)
    assert len(record_all(engine)) == 2
    assert left_out(engine, "zebra") == []
    monkeypatch.undo()
    assert record_all(engine) == []


@pytest.mark.parametrize("step", ["_EMPTY", "_KEEP"])
def test_what_takes_too_long_to_keep_is_given_up_too_and_holds_up_no_other(
    engine: sa.Engine, there: list[Event], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    slow = "SELECT FROM pg_sleep(60) WHERE CAST(:start AS timestamptz) IS NOT NULL"
    monkeypatch.setattr(ngram_builder, "_STEP_LIMIT_MS", 500)
    with monkeypatch.context() as patch:
        patch.setattr(ngram_builder, step, sa.text(slow))
        assert record_next(engine) == (PAST, PAST + DAY)
    assert record_all(engine) == [(PAST - DAY, PAST)]
    assert left_out(engine, "zebra") == [(PAST - DAY, PAST)]


# --- events that come late ---------------------------------------------------------------------


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


# --- unusual messages --------------------------------------------------------------------------


def test_every_part_of_a_long_message_is_in_its_record(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    text = "".join(random.Random(5).choices("abcdefghij 漢", k=1_300))
    store(settings, [event(text)])
    record_all(engine)
    with transaction(engine) as connection:
        for at in range(0, len(text), 3):
            assert without(connection, [text[at : at + 9]]) == []
        assert without(connection, [text[:9] + "x"]) != []


def test_the_longest_message_is_recorded_in_time(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    store(settings, [event("é" * 50_000 + "x" * 50_000)])
    record_all(engine)
    assert left_out(engine, "éx", "xx") == []
    assert left_out(engine, "xé") == [(PAST, PAST + DAY)]


def test_a_message_is_of_no_use_where_nothing_is_asked_of_it(
    engine: sa.Engine, there: list[Event]
) -> None:
    record_all(engine)
    assert left_out(engine) == left_out(engine, "") == []
