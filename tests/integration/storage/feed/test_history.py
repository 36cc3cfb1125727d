"""Events from before the migration of the feed: a reader from the start gets each once."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from storage.errors import FeedNotReady
from storage.events.writer import BatchWriter
from storage.feed.position import Position
from storage.feed.reader import FeedReader
from storage.model.event import Event
from storage.model.filters import Filters
from storage.postgres import partition_indexes, partitions
from storage.postgres.engine import transaction
from storage.postgres.migrate import downgrade, upgrade
from storage.settings import StorageSettings
from tests.support import batch_writing
from tests.support import feed as feed_support
from tests.support.batch_writing import write
from tests.support.feed import ALL, execute, follow
from tests.support.queued import make_event, make_events

engine = batch_writing.engine
writing = batch_writing.writing
writer = batch_writing.writer
feed = feed_support.feed

_DAYS = [datetime(2026, 10, day, tzinfo=UTC) for day in (1, 2, 3)]
_OLD = """
    INSERT INTO events (created_at, id, component, environment, message)
    SELECT timestamptz '2026-10-01Z' + n * interval '1 hour', gen_random_uuid(),
        CASE WHEN n %% 2 = 0 THEN 'even' ELSE 'odd' END, 'e', 'old ' || n
    FROM generate_series(0, 71) AS n
"""


@pytest.fixture
def unindexed(engine: sa.Engine, settings: StorageSettings) -> sa.Engine:
    """Migrate a database with 72 events of the version before."""
    downgrade(settings.database_url, "0005")
    with transaction(engine) as connection:
        partitions.ensure(connection, _DAYS, "day")
    execute(engine, _OLD)
    upgrade(settings.database_url)
    return engine


@pytest.fixture
def old(unindexed: sa.Engine) -> sa.Engine:
    while partition_indexes.make_next(unindexed):
        pass
    return unindexed


def messages(events: list[Event]) -> list[str]:
    return [event.message for event in events]


def old_messages(*numbers: int) -> list[str]:
    return [f"old {n}" for n in (numbers or range(72))]


def test_the_start_gives_them_first_in_the_order_of_time(
    feed: FeedReader, old: sa.Engine, writer: BatchWriter
) -> None:
    write(writer, [make_event("new")])
    for limit in (1, 7, 72, 73, 100):
        found, position = follow(feed, feed.start(), limit=limit)
        assert messages(found) == [*old_messages(), "new"]
        assert position == feed.now()


def test_from_now_on_gives_none_of_them(
    feed: FeedReader, old: sa.Engine, writer: BatchWriter
) -> None:
    position = feed.now()
    write(writer, [make_event("new")])
    assert messages(follow(feed, position)[0]) == ["new"]


def test_what_is_stored_while_they_are_read_comes_once_too(
    feed: FeedReader, old: sa.Engine, writer: BatchWriter
) -> None:
    """Also with a time among theirs: a late event."""
    position, found = feed.start(), list[Event]()
    late = int((_DAYS[1] + timedelta(hours=3)).timestamp() * 1000)
    while page := feed.read(position, ALL, 10):
        found, position = found + page.events, page.next
        if not page.behind:
            break
        if len(found) < 100:
            write(writer, [make_event("late", late), make_event("new")], shard=1)
    written = [event for event in messages(found) if event in ("late", "new")]
    assert messages(found)[:72] == old_messages()
    assert len(written) == len(found) - 72 > 0
    assert written.count("late") == written.count("new")
    assert len({event.id for event in found}) == len(found)


def test_a_walk_over_them_is_bounded_and_filters_hold(
    feed: FeedReader, old: sa.Engine, writer: BatchWriter
) -> None:
    reader = FeedReader(feed._engine, walk=5)
    write(writer, make_events(20))
    page = reader.read(reader.start(), Filters(message=("old 40",)), 10)
    assert page.events == []
    assert page.behind == 2
    assert page.next != reader.start()
    for limit in (1, 10):
        found, _ = follow(reader, reader.start(), Filters(message=("old 40",)), limit)
        assert messages(found) == ["old 40"]
        found, _ = follow(reader, reader.start(), Filters(component=("odd",)), limit)
        assert messages(found) == old_messages(*range(1, 72, 2))
    since = Filters(start=_DAYS[2] + timedelta(hours=20))
    assert messages(follow(reader, reader.start(), since)[0])[:4] == old_messages(68, 69, 70, 71)


def test_skipping_counts_those_that_are_left(feed: FeedReader, old: sa.Engine) -> None:
    page = feed.read(feed.start(), ALL, 10)
    assert feed.skip(page.next, ALL) == (62, feed.now())
    assert feed.skip(page.next, Filters(component=("odd",))).missed == 31


def test_partitions_that_are_deleted_meanwhile_break_no_reader(
    feed: FeedReader, old: sa.Engine, writer: BatchWriter
) -> None:
    write(writer, [make_event("new")])
    page = feed.read(feed.start(), ALL, 30)
    execute(old, "DROP TABLE events_20261001_20261002, events_20261002_20261003")
    found, _ = follow(feed, page.next)
    assert messages(found) == [*old_messages(*range(48, 72)), "new"]


def test_the_feed_is_not_read_before_each_partition_has_its_index(
    feed: FeedReader, unindexed: sa.Engine, writer: BatchWriter
) -> None:
    """A read would look at every row of the others."""
    position = feed.now()
    write(writer, [make_event("new")])
    made = 0
    while partition_indexes.make_next(unindexed):
        made += 1
        with_all = made == 3
        assert is_ready(feed, position) == with_all
    assert messages(follow(feed, position)[0]) == ["new"]


def is_ready(reader: FeedReader, position: Position) -> bool:
    with suppress(FeedNotReady):
        reader.read(position, ALL, 1)
        return True
    return False
