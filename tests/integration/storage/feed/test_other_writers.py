"""Whatever program stores events, they are in the feed: in its order of commits, exactly once."""

from uuid import UUID

import psycopg2
import pytest
import redis
import sqlalchemy as sa

import storage.events.writer
from storage.cache.invalidation import CacheInvalidator
from storage.dead_letters import DeadLetters
from storage.events.feed_numbers import REPLAY
from storage.events.writer import BatchWriter
from storage.feed.reader import FeedReader
from storage.model.event import now_ms
from storage.model.filters import Filters
from storage.settings import StorageSettings
from tests.support import batch_writing
from tests.support import feed as feed_support
from tests.support.batch_writing import POISON, write
from tests.support.feed import ALL, execute, follow, ids
from tests.support.queued import add_dead_letter, make_event, make_events

engine = batch_writing.engine
writing = batch_writing.writing
writer = batch_writing.writer
feed = feed_support.feed

# As workers of the release before 0006 claim.
OLD_CLAIM = """
    SET CONSTRAINTS ALL IMMEDIATE;
    SET LOCAL application_name = %(session)s;
    INSERT INTO drain_ledger (shard, fence) VALUES (%(shard)s, %(fence)s)
    ON CONFLICT (shard) DO UPDATE SET fence = excluded.fence
    WHERE drain_ledger.fence <= excluded.fence RETURNING entry
"""
INSERT = (
    "INSERT INTO events (created_at, id, component, environment, message) "
    "VALUES (now(), gen_random_uuid(), 'psql', 'e', '{}')"
)


@pytest.fixture
def old_writer(writer: BatchWriter, monkeypatch: pytest.MonkeyPatch) -> BatchWriter:
    monkeypatch.setattr(storage.events.writer, "_CLAIM", OLD_CLAIM)
    return writer


@pytest.fixture
def today(writer: BatchWriter) -> None:
    writer.ensure_partitions(make_events(1))


def messages(reader: FeedReader, position: object) -> list[str]:
    return [event.message for event in follow(reader, position)[0]]  # type: ignore[arg-type]


def test_what_a_worker_of_the_release_before_stores_is_in_the_feed(
    feed: FeedReader, old_writer: BatchWriter, engine: sa.Engine
) -> None:
    position = feed.now()
    first, fresh = make_events(5), make_events(40)
    write(old_writer, first)
    outcome = write(old_writer, [*first, *fresh, *POISON.values()])  # staged, and halved
    assert (outcome.stored, len(outcome.refused)) == (40, len(POISON))
    found, position = follow(feed, position)
    assert sorted(ids(found)) == sorted(ids([*first, *fresh]))
    assert position.batches == {0: 0, REPLAY + 1: 2}
    with engine.connect() as connection:
        letters = connection.exec_driver_sql("SELECT count(*) FROM dead_letters").scalar()
    assert letters == len(POISON)


def test_a_statement_of_any_program_is_in_the_feed_and_waits_for_no_other(
    feed: FeedReader, today: None, settings: StorageSettings
) -> None:
    position = feed.now()
    engine = sa.create_engine(settings.database_url)
    with engine.connect() as slow, engine.connect() as quick:
        slow.exec_driver_sql(INSERT.format("first"))
        slow.exec_driver_sql(INSERT.format("second"))
        quick.exec_driver_sql(INSERT.format("quick"))
        quick.commit()
        assert messages(feed, position) == ["quick"]
        between = follow(feed, position)[1]
        slow.commit()
    assert sorted(messages(feed, between)) == ["first", "second"]
    assert follow(feed, position)[1].batches == {REPLAY + 1: 1, REPLAY + 2: 1}
    execute(engine, INSERT.format("later"))
    assert follow(feed, position)[1].batches == {REPLAY + 1: 2, REPLAY + 2: 1}
    engine.dispose()


def test_what_is_rolled_back_to_a_savepoint_is_claimed_again(
    feed: FeedReader, today: None, engine: sa.Engine
) -> None:
    position = feed.now()
    execute(
        engine,
        f"SAVEPOINT one; {INSERT.format('lost')}; ROLLBACK TO one; {INSERT.format('kept')}",
    )
    execute(engine, INSERT.format("next"))
    assert messages(feed, position) == ["kept", "next"]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_an_older_snapshot_is_no_reason_to_fail(
    feed: FeedReader, today: None, settings: StorageSettings, level: str
) -> None:
    position = feed.now()
    engine = sa.create_engine(settings.database_url)
    with engine.connect().execution_options(isolation_level=level) as old:
        old.exec_driver_sql("SELECT count(*) FROM dead_letters")
        execute(engine, INSERT.format("meanwhile"))
        # Of another component: the counts by hour of one component may ask to repeat it.
        old.exec_driver_sql(INSERT.format("old snapshot").replace("'psql'", "'other'"))
        old.commit()
    engine.dispose()
    assert messages(feed, position) == ["meanwhile", "old snapshot"]


def test_a_program_needs_no_right_on_the_ledger_and_none_of_our_names_in_its_path(
    feed: FeedReader, today: None, engine: sa.Engine
) -> None:
    position = feed.now()
    execute(engine, "CREATE ROLE guest; GRANT INSERT, SELECT ON events TO guest")
    try:
        execute(
            engine,
            "SET LOCAL ROLE guest; SET LOCAL search_path = pg_catalog; "
            + INSERT.format("guest").replace("INTO events", "INTO public.events"),
        )
    finally:
        execute(engine, "DROP OWNED BY guest; DROP ROLE guest")
    assert messages(feed, position) == ["guest"]


def test_a_row_without_a_number_is_refused(today: None, engine: sa.Engine) -> None:
    """It would be in no feed. So a copy of all columns of a staging table fails, and says why."""
    with pytest.raises(sa.exc.IntegrityError, match="events_feed_is_given") as caught:
        execute(
            engine,
            "CREATE TEMP TABLE staging (LIKE events) ON COMMIT DROP; "
            + INSERT.format("m").replace("INTO events", "INTO staging")
            + "; INSERT INTO events SELECT * FROM staging",
        )
    assert isinstance(caught.value.orig, psycopg2.IntegrityError)


def test_a_commit_without_a_number_of_its_own_is_on_disk_before_it_is_seen(
    today: None, engine: sa.Engine
) -> None:
    """After a crash the number would be given to other events."""
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
        connection.exec_driver_sql(INSERT.format("m"))
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


def test_a_partition_by_its_own_name_is_fed_too(
    feed: FeedReader, today: None, engine: sa.Engine
) -> None:
    position = feed.now()
    with engine.connect() as connection:
        (name,) = connection.exec_driver_sql(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events'::regclass"
        ).scalars()
    execute(engine, INSERT.format("direct").replace("INTO events", f"INTO {name}"))
    assert messages(feed, position) == ["direct"]


def test_a_change_is_not_delivered_again_and_what_is_deleted_is_left_out(
    feed: FeedReader, writer: BatchWriter, engine: sa.Engine
) -> None:
    position = feed.now()
    write(writer, [make_event(f"m{number}", now_ms() + number) for number in range(6)])
    page = feed.read(position, ALL, 2)
    execute(engine, "UPDATE events SET message = 'changed' WHERE message IN ('m0', 'm3')")
    execute(engine, "DELETE FROM events WHERE message = 'm4'")
    rest = feed.read(page.next, ALL, 10)
    assert {event.message for event in (*page.events, *rest.events)} == {
        *("m0", "m1", "m2", "changed", "m5")
    }
    assert len(page.events) + len(rest.events) == 5
    assert feed.read(rest.next, ALL, 10).events == []


def test_a_dead_letter_is_in_the_feed_once_it_is_replayed(
    feed: FeedReader, today: None, engine: sa.Engine, settings: StorageSettings
) -> None:
    position = feed.now()
    events = make_events(2)
    for event in events:
        add_dead_letter(engine, event)
    assert feed.now() == position
    with redis.Redis.from_url(settings.control_url) as control:
        letters = DeadLetters(engine, "day", CacheInvalidator(control))
        for letter in letters.newest(2):
            assert letters.replay(letter) is None
    found, position = follow(feed, position)
    assert sorted(ids(found)) == sorted(ids(events))
    assert position.batches == {REPLAY: 2}
    assert {UUID(event.id) for event in found} == {UUID(event.id) for event in events}
    assert follow(feed, feed.start(), Filters(component=("none",))) == ([], position)
