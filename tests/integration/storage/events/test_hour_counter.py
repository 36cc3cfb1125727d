"""What the triggers have not counted is counted while the service runs, and never twice."""

import logging
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from storage.errors import DatabaseUnavailable
from storage.events import hour_counter
from storage.events.hour_counter import count_missing
from storage.events.hour_counts import differing
from storage.events.writer import BatchWriter
from storage.model.event import Event, to_ms
from storage.postgres import locks
from storage.postgres.engine import plain_engine, transaction, writing_engine
from storage.postgres.locks import Lock
from storage.postgres.migrate import downgrade, upgrade
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support.hour_counts import assert_exact, count_all, spans, stored
from tests.support.ngram_records import DAY, TODAY, change, rows, storing
from tests.support.reading import made, store

PAST = TODAY - 3 * DAY
HOUR = timedelta(hours=1)
BEFORE = "0004"  # the migration without counts


INSERT = sa.text(
    "INSERT INTO events (id, created_at, component, environment, message, data) "
    "VALUES (:id, :created_at, :component, :environment, :message, 'null')"
)


def columns_of(event: Event) -> dict[str, str]:
    """Return what every version of the table has columns for."""
    names = ("id", "created_at", "component", "environment", "message")
    return {name: getattr(event, name) for name in names}


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = plain_engine(settings.database_url, 4)
    yield found
    found.dispose()


@pytest.fixture
def uncounted(settings: StorageSettings, engine: sa.Engine) -> list[Event]:
    """Store events of three days before the migration."""
    found = [event for day in range(3) for event in some(200, day)]
    store(settings, found)
    downgrade(settings.database_url, BEFORE)
    upgrade(settings.database_url)
    assert rows(engine, "SELECT FROM event_hours") == []
    return found


def some(count: int, day: int = 0, seed: int = 0, start: datetime = PAST) -> list[Event]:
    """Make events of a day; each call with the same arguments makes the same."""
    draw = random.Random(f"{seed} {day} {count}")
    return [
        made(
            to_ms(start + day * DAY) + draw.randrange(86_400_000),
            component=f"c{draw.randrange(5)}",
            environment=f"e{draw.randrange(3)}",
            number=1_000_000 * seed + number,
        )
        for number in range(count)
    ]


@contextmanager
def storing_always(settings: StorageSettings, *shards: int) -> Iterator[None]:
    """Store batches of all three days, each of them twice, while the block runs."""
    end = threading.Event()
    failed: list[BaseException] = []

    def drain(shard: int) -> None:
        own, number = writing_engine(settings.database_url), 0
        try:
            while not end.is_set():
                number += 1
                with BatchWriter(own, "day").batch(shard, 1) as batch:
                    seed = 1 + number // 2 * 10 + shard
                    batch.insert([each for day in range(3) for each in some(20, day, seed)])
        except BaseException as error:  # noqa: BLE001
            failed.append(error)
        finally:
            own.dispose()

    drains = [threading.Thread(target=drain, args=[shard]) for shard in shards]
    for each in drains:
        each.start()
    try:
        yield
    finally:
        end.set()
        for each in drains:
            each.join(60)
    assert failed == []


def outside(engine: sa.Engine, spans: list[tuple[datetime, datetime]]) -> int:
    """Return how many events are in no span."""
    with engine.connect() as connection:
        found = stored(connection)
    inside = (at for at, *_ in found.elements() if any(a <= at < b for a, b in spans))
    return found.total() - sum(1 for _ in inside)


def test_what_was_there_before_the_migration_is_counted(
    engine: sa.Engine, uncounted: list[Event]
) -> None:
    assert spans(engine) == []
    count_all(engine)
    assert assert_exact(engine) == len(uncounted)
    assert spans(engine) == [(PAST, PAST + 3 * DAY)]


def test_counting_goes_on_where_it_stopped_the_newest_hours_first(
    engine: sa.Engine, uncounted: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hour_counter, "STEP_ROWS", 30)
    start, steps = PAST + 3 * DAY, 0
    while start > PAST:
        count_missing(engine, stopping=lambda: True)  # one step
        ((found, end),) = spans(engine)
        assert found < start
        assert end == PAST + 3 * DAY
        with transaction(engine) as connection:
            hours = range(int((end - found) / HOUR))
            assert {differing(connection, found + hour * HOUR) for hour in hours} == {0}
        start, steps = found, steps + 1
    assert steps > 10
    assert assert_exact(engine) == len(uncounted)


def test_an_hour_of_more_rows_than_a_step_is_counted_as_a_whole(
    settings: StorageSettings, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hour_counter, "STEP_ROWS", 10)
    store(settings, [made(to_ms(PAST) + number) for number in range(100)])
    downgrade(settings.database_url, BEFORE)
    upgrade(settings.database_url)
    count_all(engine)
    assert assert_exact(engine) == 100


def test_events_that_are_stored_meanwhile_are_counted_once(
    settings: StorageSettings,
    engine: sa.Engine,
    uncounted: list[Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hour_counter, "STEP_ROWS", 20)
    with storing_always(settings, 0, 1):
        while (found := spans(engine)) != [(PAST, PAST + 3 * DAY)]:
            count_missing(engine, stopping=lambda: True)
        assert found
        count_all(engine)
        assert assert_exact(engine) > len(uncounted)
    assert_exact(engine)


def test_a_transaction_that_began_before_a_step_is_counted_once(
    settings: StorageSettings, engine: sa.Engine, uncounted: list[Event]
) -> None:
    with storing(settings, *some(50, 1, seed=1)):
        count_all(engine)
        assert spans(engine) == [(PAST, PAST + 3 * DAY)]
        assert assert_exact(engine) == len(uncounted)
    assert assert_exact(engine) == len(uncounted) + 50


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_step_that_is_killed_before_its_commit_leaves_nothing_behind(
    engine: sa.Engine, uncounted: list[Event], monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    count, left = hour_counter._count, [steps]

    def killed(connection: sa.Connection, *arguments: Any) -> Any:
        start = count(connection, *arguments)
        if not left[0]:
            pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
            change(engine, f"SELECT pg_terminate_backend({pid}, 30000)")
        left[0] -= 1
        return start

    monkeypatch.setattr(hour_counter, "_count", killed)
    with pytest.raises(DatabaseUnavailable):
        count_all(engine)
    assert rows(engine, "SELECT sum(n) FROM event_hours")[0][0] == (200 * steps or None)
    count_all(engine)
    assert assert_exact(engine) == len(uncounted)


def test_the_migration_waits_for_transactions_that_do_not_count(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    """A worker of the version before may be in the middle of a batch."""
    store(settings, some(30))
    downgrade(settings.database_url, BEFORE)
    running = threading.Thread(target=upgrade, args=[settings.database_url])
    with engine.begin() as connection:
        connection.execute(INSERT, [columns_of(event) for event in some(30, seed=1)])
        running.start()
        waiting = "SELECT FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
        wait_until(lambda: rows(engine, waiting), "the migration to wait", 60)
    running.join(60)
    store(settings, some(30, seed=2))
    count_all(engine)
    assert assert_exact(engine) == 90


def test_one_process_counts_at_a_time(engine: sa.Engine, uncounted: list[Event]) -> None:
    with transaction(engine) as connection:
        locks.acquire(connection, Lock.EVENT_COUNTS)
        count_all(engine)
        assert rows(engine, "SELECT FROM event_hours") == []
    count_all(engine)
    assert assert_exact(engine) == len(uncounted)


@pytest.fixture
def partition(settings: StorageSettings, engine: sa.Engine) -> str:
    """Return a counted partition, with another one beside it."""
    store(settings, [*some(100), *some(100, 1)])
    count_all(engine)
    assert spans(engine) == [(PAST, PAST + 2 * DAY)]
    return f"events_{PAST:%Y%m%d}_{PAST + DAY:%Y%m%d}"


ATTACH = (
    "ALTER TABLE events ATTACH PARTITION {0} FOR VALUES FROM ('" + f"{PAST}') TO ('{PAST + DAY}')"
)
DETACH = "ALTER TABLE events DETACH PARTITION {0}"
ONE = f"('{PAST + HOUR}', gen_random_uuid(), 'c', 'e', 'm')"


@pytest.mark.parametrize(
    "changes",
    [
        [DETACH, "DELETE FROM {0} WHERE component = 'c1'", ATTACH],
        ["BEGIN; " + DETACH + "; INSERT INTO {0} VALUES " + ONE + "; " + ATTACH + "; COMMIT"],
        ["TRUNCATE {0}"],
        ["TRUNCATE {0}", "INSERT INTO events VALUES " + ONE],
        ["DROP TABLE {0}", "CREATE TABLE {0} (LIKE events INCLUDING ALL)", ATTACH],
        [
            "ALTER TABLE events DISABLE TRIGGER ALL",
            "INSERT INTO events VALUES " + ONE,
            "ALTER TABLE events ENABLE TRIGGER ALL",
        ],
        [
            "ALTER TABLE events DISABLE TRIGGER count_removed",
            "DELETE FROM events",
            "ALTER TABLE events ENABLE TRIGGER count_removed",
        ],
    ],
)
def test_a_partition_that_changed_unnoticed_is_not_believed_and_counted_again(
    engine: sa.Engine, partition: str, changes: list[str]
) -> None:
    for each in changes:
        change(engine, each.format(partition))
    assert all(start >= PAST + DAY for start, _ in spans(engine))
    count_all(engine)
    assert spans(engine) == [(PAST, PAST + 2 * DAY)]
    assert_exact(engine)


def test_nothing_is_believed_while_a_trigger_is_off(engine: sa.Engine, partition: str) -> None:
    change(engine, "ALTER TABLE events DISABLE TRIGGER count_added")
    count_all(engine)
    assert spans(engine) == []


def test_counts_of_dropped_days_are_removed(engine: sa.Engine, partition: str) -> None:
    change(engine, f"DROP TABLE {partition}")
    assert spans(engine) == [(PAST + DAY, PAST + 2 * DAY)]
    count_all(engine)
    assert spans(engine) == [(PAST + DAY, PAST + 2 * DAY)]
    assert assert_exact(engine) == 100
    assert len(rows(engine, "SELECT FROM counted_partitions")) == 1


def test_a_partition_that_begins_inside_an_hour_is_believed_for_its_whole_hours(
    engine: sa.Engine,
) -> None:
    bounds = f"FROM ('{PAST + HOUR / 2}') TO ('{PAST + HOUR * 3.5}')"
    change(engine, f"CREATE TABLE odd PARTITION OF events FOR VALUES {bounds}")
    change(engine, f"INSERT INTO events VALUES {ONE}")
    count_all(engine)
    assert spans(engine) == [(PAST + HOUR, PAST + 3 * HOUR)]
    assert assert_exact(engine) == 1


def test_names_that_no_index_takes_stop_the_counting_of_their_partition_only(
    settings: StorageSettings, engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """A version without counts may have stored such an event, which no API process accepts."""
    draw = random.Random(1)
    long, other = ("".join(chr(draw.randrange(33, 50_000)) for _ in range(800)) for _ in range(2))
    store(settings, [*some(10), *some(10, 1), *some(10, 2)])
    downgrade(settings.database_url, BEFORE)
    with engine.begin() as connection:
        event = made(to_ms(PAST + DAY), component=long, environment=other)
        connection.execute(INSERT, columns_of(event))
    upgrade(settings.database_url)
    with caplog.at_level(logging.WARNING):
        count_all(engine)
    assert "are not counted by hour" in caplog.text
    assert long[:20] not in caplog.text
    assert spans(engine) == [(PAST, PAST + DAY), (PAST + 2 * DAY, PAST + 3 * DAY)]
    assert outside(engine, spans(engine)) == 11


def test_an_hour_that_differs_is_found(engine: sa.Engine, partition: str) -> None:
    with transaction(engine) as connection:
        hours = [PAST + hour * HOUR for hour in range(24)]
        assert {differing(connection, hour) for hour in hours} == {0}
        connection.execute(sa.text(f"INSERT INTO {partition} VALUES {ONE}"))  # past the triggers
        assert [differing(connection, hour) for hour in hours] == [0, 1, *[0] * 22]
