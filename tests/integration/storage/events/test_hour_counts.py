"""Each change of `events` changes the counts by hour, in the same transaction and exactly."""

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from storage.cache.invalidation import CacheInvalidator
from storage.dead_letters import DeadLetters
from storage.events.writer import BatchWriter
from storage.model.event import Event, to_ms
from storage.postgres.engine import plain_engine, transaction, writing_engine
from storage.redis.client import connect
from storage.settings import StorageSettings
from tests.support.hour_counts import assert_exact, shards
from tests.support.ngram_records import change, rows, storing
from tests.support.queued import add_dead_letter
from tests.support.reading import made, store

MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
HOUR = to_ms(MIDNIGHT) - 38 * 3_600_000  # some hours behind it are of the same day
NAMES = ["a", "A", "é", "e\u0301", "payment-*", 'quote"\\', "tab\tline\n", "名" * 255, "%_", " a"]


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = plain_engine(settings.database_url, 4)
    yield found
    found.dispose()


def some(count: int, seed: int = 1, hours: float = 3) -> list[Event]:
    """Make events of any minutes, of components and environments with odd names."""
    draw = random.Random(seed)
    return [
        made(
            HOUR + draw.randrange(int(hours * 3_600_000)),
            component=draw.choice(NAMES),
            environment=draw.choice(NAMES),
            message=f"{seed}/{number}",
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("hours", [0.01, 0.04, 3])
def test_every_stored_event_is_counted(
    settings: StorageSettings, engine: sa.Engine, hours: float
) -> None:
    store(settings, some(500, hours=hours))
    store(settings, some(1, seed=2, hours=hours))
    store(settings, some(700, seed=3, hours=hours), size=90)
    assert assert_exact(engine) == 1201


def test_a_batch_of_as_many_groups_as_events_is_counted(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    for spread in (1, 3_600_000):
        batch = [
            made(HOUR + number % spread, component=f"component {number}") for number in range(5_000)
        ]
        store(settings, batch)
    assert assert_exact(engine) == 10_000


def test_events_that_are_stored_again_are_not_counted_again(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    first, second = some(50), some(50, seed=2)
    store(settings, first)
    store(settings, [*first[:20], *second, *first[20:]])
    store(settings, first)
    assert assert_exact(engine) == 100


def test_refused_rows_are_not_counted(settings: StorageSettings, engine: sa.Engine) -> None:
    batch = some(60)
    store(settings, batch[:1])  # makes the partition
    change(
        engine, "ALTER TABLE events ADD CONSTRAINT few CHECK (message NOT LIKE '1/_3') NOT VALID"
    )
    store(settings, batch)
    assert assert_exact(engine) == 55
    assert len(rows(engine, "SELECT FROM dead_letters")) == 5


def test_a_transaction_that_is_rolled_back_counts_nothing(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    store(settings, some(10))
    with pytest.raises(ZeroDivisionError), storing(settings, *some(10, seed=2)):
        raise ZeroDivisionError
    assert assert_exact(engine) == 10


def test_a_replay_is_counted(settings: StorageSettings, engine: sa.Engine) -> None:
    (event,) = some(1)
    add_dead_letter(engine, event)
    control = connect(settings.control_url)
    letters = DeadLetters(engine, settings.partition_by, CacheInvalidator(control))
    assert letters.replay(letters.newest(1)[0]) is None
    control.close()
    assert assert_exact(engine) == 1


def test_any_other_program_that_writes_is_counted(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    """So is a worker of an earlier version: it does not know of the counts."""
    store(settings, [*some(49), made(HOUR + 24 * 3_600_000)])  # in two partitions
    change(
        engine,
        "INSERT INTO events SELECT created_at, gen_random_uuid(), component, environment, message "
        "FROM events",
    )
    assert assert_exact(engine) == 100
    change(
        engine, "SET LOCAL TIME ZONE 'Asia/Kathmandu'; DELETE FROM events WHERE message LIKE '1/1%'"
    )
    assert assert_exact(engine) == 78
    change(engine, "UPDATE events SET component = 'other' WHERE message LIKE '1/2%'")
    change(engine, "UPDATE events SET email = 'a@b.de'")
    change(
        engine,
        "UPDATE events SET created_at = created_at + interval '23 hours 31 min' WHERE email "
        "IS NOT NULL AND component = 'other'",
    )
    assert assert_exact(engine) == 78
    change(engine, "DELETE FROM events")
    assert assert_exact(engine) == 0


def test_a_program_without_rights_to_the_counts_is_counted(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    store(settings, some(10))
    change(
        engine,
        "DROP ROLE IF EXISTS stranger; CREATE ROLE stranger; GRANT INSERT ON events TO stranger",
    )
    with transaction(engine) as connection:
        connection.execute(sa.text("SET LOCAL ROLE stranger; SET LOCAL search_path = pg_catalog"))
        connection.execute(
            sa.text("INSERT INTO public.events VALUES (:at, gen_random_uuid(), 'c', 'e', 'm')"),
            {"at": datetime.fromtimestamp(HOUR / 1000, UTC)},
        )
    change(engine, "DROP OWNED BY stranger; DROP ROLE stranger")
    assert assert_exact(engine) == 11


def test_names_that_no_index_takes_become_dead_letters(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    """No API process accepts them, but a foreign entry may have any length."""
    draw = random.Random(1)
    long, other = ("".join(chr(draw.randrange(33, 50_000)) for _ in range(800)) for _ in range(2))
    batch = [*some(20), made(HOUR, component=long, environment=other), *some(20, seed=2)]
    store(settings, batch)
    assert assert_exact(engine) == 40
    assert len(rows(engine, "SELECT FROM dead_letters")) == 1


def test_drains_do_not_wait_for_each_other(settings: StorageSettings, engine: sa.Engine) -> None:
    """One has counted, and does not commit; others count the same components in the same minute."""
    store(settings, some(10))
    with storing(settings, *some(10, seed=2)):
        own = writing_engine(settings.database_url)
        for number in range(3):
            with BatchWriter(own, "day").batch(number, 1) as batch:
                batch.insert(some(10, seed=3 + number))
        own.dispose()
        assert assert_exact(engine) == 40
    assert assert_exact(engine) == 50
    assert shards(engine) == {0, 1}


def test_counts_stay_exact_at_every_instant_while_drains_run(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    store(settings, some(10, seed=99))
    failed: list[BaseException] = []
    left = threading.Barrier(5)

    def drain(shard: int) -> None:
        own = writing_engine(settings.database_url)
        try:
            writer = BatchWriter(own, "day")
            for number in range(12):
                with writer.batch(shard, 1) as batch:
                    batch.insert(some(80, seed=number // 2 * 4 + shard))  # each batch twice
        except BaseException as error:  # noqa: BLE001
            failed.append(error)
        finally:
            own.dispose()
            left.wait(120)

    drains = [threading.Thread(target=drain, args=[shard]) for shard in range(4)]
    for each in drains:
        each.start()
    while left.n_waiting < 4:
        assert_exact(engine)
    left.wait(120)
    for each in drains:
        each.join(60)
    assert failed == []
    assert assert_exact(engine) > 1_000


def test_an_hour_lasts_as_long_as_one_of_utc(settings: StorageSettings, engine: sa.Engine) -> None:
    """In some zones hours begin at half past."""
    store(settings, [made(HOUR), made(HOUR + 3_599_999), made(HOUR + 3_600_000)])
    found = rows(engine, "SELECT hour, n FROM event_hours ORDER BY hour")
    start = datetime.fromtimestamp(HOUR / 1000, UTC)
    assert [tuple(row) for row in found] == [(start, 2), (start + timedelta(hours=1), 1)]
