"""The feed gives each event that is stored exactly once, in the order of commits of its writer."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from random import Random
from uuid import UUID

import pytest
import sqlalchemy as sa

from storage.errors import FeedReplaced
from storage.events.writer import BatchTransaction, BatchWriter
from storage.feed import identity
from storage.feed.position import Position
from storage.feed.reader import FeedReader
from storage.model.event import Event, created_ms, now_ms
from storage.model.filters import Filters
from storage.model.where import Contains, Not
from storage.postgres.engine import transaction, writing_engine
from storage.settings import StorageSettings
from tests.support import batch_writing
from tests.support import feed as feed_support
from tests.support.batch_writing import POISON, write
from tests.support.feed import ALL, follow, ids
from tests.support.matching import at, matches
from tests.support.queued import make_event, make_events

engine = batch_writing.engine
writing = batch_writing.writing
writer = batch_writing.writer
feed = feed_support.feed


@contextmanager
def other_writer(settings: StorageSettings) -> Iterator[BatchWriter]:
    """Lend a writer with a session of its own."""
    engine = writing_engine(settings.database_url)
    try:
        yield BatchWriter(engine, "day")
    finally:
        engine.dispose()


def insert(transaction: BatchTransaction, batch: list[Event]) -> list[Event]:
    transaction.insert(batch)
    return batch


def test_a_reader_from_now_on_gets_what_is_stored_later_and_nothing_twice(
    feed: FeedReader, writer: BatchWriter
) -> None:
    write(writer, make_events(3))
    position = feed.now()
    assert feed.read(position, ALL, 100).events == []
    first, second = make_events(3), make_events(2)
    write(writer, first)
    write(writer, second, shard=1)
    found, position = follow(feed, position)
    assert sorted(ids(found)) == sorted(ids([*first, *second]))
    assert follow(feed, position) == ([], position)


def test_a_reader_from_the_start_gets_everything(feed: FeedReader, writer: BatchWriter) -> None:
    assert follow(feed, feed.start()) == ([], feed.start())
    batches = [make_events(5) for _ in range(4)]
    for number, batch in enumerate(batches):
        write(writer, batch, shard=number % 2)
    found, position = follow(feed, feed.start())
    assert sorted(ids(found)) == sorted(ids([each for batch in batches for each in batch]))
    assert position == feed.now()


def test_an_event_that_is_committed_late_is_not_missed(
    feed: FeedReader, writer: BatchWriter, settings: StorageSettings
) -> None:
    position = feed.now()
    early, late = make_events(2), make_events(2)
    writer.ensure_partitions(early)
    with other_writer(settings) as other:
        other.ensure_partitions(early)
        with writer.batch(0, 1) as slow:
            slow.insert(early)  # created first, and committed last
            write(other, late, shard=1)
            found, position = follow(feed, position)
            assert sorted(ids(found)) == sorted(ids(late))
    found, position = follow(feed, position)
    assert sorted(ids(found)) == sorted(ids(early))


def test_a_batch_that_is_rolled_back_gives_its_number_back(
    feed: FeedReader, writer: BatchWriter
) -> None:
    position = feed.now()
    lost, stored = make_events(2), make_events(2)
    writer.ensure_partitions(lost)
    with suppress(KeyboardInterrupt), writer.batch(0, 1) as failing:
        failing.insert(lost)
        raise KeyboardInterrupt
    assert feed.now() == position
    write(writer, stored)
    found, position = follow(feed, position)
    assert sorted(ids(found)) == sorted(ids(stored))
    assert position.batches == {0: 1}


def test_a_batch_with_refused_and_repeated_events_has_one_number(
    feed: FeedReader, writer: BatchWriter
) -> None:
    position = feed.now()
    first = make_events(4)
    write(writer, first)
    fresh = make_events(30)
    outcome = write(writer, [*first, *fresh[:20], *POISON.values(), *fresh[20:]])
    assert outcome.stored == 30
    found, position = follow(feed, position)
    assert sorted(ids(found)) == sorted(ids([*first, *fresh]))
    assert position.batches == {0: 2}


def test_a_page_ends_within_a_batch_and_the_next_goes_on_there(
    feed: FeedReader, writer: BatchWriter
) -> None:
    position = feed.start()
    batches = [make_events(7) for _ in range(6)]
    for number, batch in enumerate(batches):
        write(writer, batch, shard=number % 3)
    for limit in (1, 2, 5, 7, 20, 42, 43):
        found, _ = follow(feed, position, limit=limit)
        assert len(found) == len(set(ids(found))) == 42
        assert sorted(ids(found)) == sorted(ids([each for batch in batches for each in batch]))


def test_an_unfinished_read_ends_though_events_keep_coming(
    feed: FeedReader, writer: BatchWriter
) -> None:
    write(writer, make_events(3), shard=0)
    write(writer, make_events(3), shard=1)
    position, found = feed.start(), list[Event]()
    while len(found) < 6:  # shard 0 grows faster than it is read
        page = feed.read(position, ALL, 2)
        found, position = found + page.events, page.next
        write(writer, make_events(5), shard=0)
    assert position.within is None
    assert position.batches == {0: 1, 1: 1}


def test_behind_counts_the_batches_that_are_left(feed: FeedReader, writer: BatchWriter) -> None:
    position = feed.now()
    for shard in (0, 0, 1):
        write(writer, make_events(4), shard=shard)
    page = feed.read(position, ALL, 3)
    assert page.behind == 3  # of the first batch an event is left
    page = feed.read(page.next, ALL, 3)
    assert page.behind == 2
    write(writer, make_events(4), shard=1)
    page = feed.read(page.next, ALL, 100)
    assert page.behind == 1
    assert feed.read(page.next, ALL, 100).behind == 0


def test_a_head_that_readers_share_may_be_old(feed: FeedReader, writer: BatchWriter) -> None:
    old = feed.now()
    write(writer, make_events(2))
    position = feed.now()
    assert feed.read(position, ALL, 10, head=old).next == position
    assert feed.read(old, ALL, 10, head=old).events == []
    write(writer, make_events(2))
    assert len(feed.read(position, ALL, 10, head=feed.now()).events) == 2


def test_a_read_looks_at_a_bounded_number_of_rows(feed: FeedReader, writer: BatchWriter) -> None:
    reader = FeedReader(feed._engine, walk=10)
    position = feed.now()
    for number in range(5):
        write(writer, [*make_events(9), make_event("wanted", component=f"w{number}")])
    rare = Filters(message=("wanted",))
    page = reader.read(position, rare, 100)
    assert [event.component for event in page.events] == ["w0"]
    assert page.behind > 0
    nothing = reader.read(page.next, Filters(component=("none",)), 100)
    assert nothing.events == []
    assert nothing.next != page.next
    for limit in (1, 2, 100):
        found, end = follow(reader, position, rare, limit)
        assert [event.component for event in found] == [f"w{number}" for number in range(5)]
        assert end == feed.now()


def test_skipping_tells_exactly_how_many_are_missed(feed: FeedReader, writer: BatchWriter) -> None:
    position = feed.start()
    for shard in (0, 1, 1, 2):
        write(writer, [*make_events(5), make_event(component="other")], shard=shard)
    page = feed.read(position, Filters(component=("orders",)), 7)
    missed, end = feed.skip(page.next, Filters(component=("orders",)))
    assert missed == 20 - 7
    assert end == feed.now()
    assert feed.skip(end, ALL) == (0, end)
    assert feed.skip(position, ALL).missed == 24


def test_filters_mean_what_they_mean_for_pages(feed: FeedReader, writer: BatchWriter) -> None:
    random = Random(5)
    batch = [
        make_event(
            random.choice(["paid", "refused"]),
            now_ms() - random.randrange(100_000),
            random.choice(["a", "b"]),
            random.choice([None, "Ann@example.com", "bob@example.com"]),
        )
        for _ in range(200)
    ]
    position = feed.now()
    write(writer, batch)
    middle = sorted(batch, key=created_ms)[100]
    questions = [
        Filters(component=("a",)),
        Filters(start=at(middle), order="asc"),
        Filters(end=at(middle), limit=1, cursor=UUID(middle.id)),
        Filters(email=("ann@example.com",)),
        Filters(message=("paid",), component=("b",)),
        Filters(not_component=("b",), where=Not(Contains("paid"))),
        Filters(within_component=("b*",), email=("bob@example.com",)),
    ]
    for question in questions:
        found, _ = follow(feed, position, question, limit=7)
        plain = replace(question, cursor=None)
        expected = [event for event in batch if matches(event, plain)]
        assert sorted(ids(found)) == sorted(ids(expected))
        assert 0 < len(found) < 200


def test_a_position_of_another_feed_is_refused(
    feed: FeedReader, writer: BatchWriter, engine: sa.Engine
) -> None:
    write(writer, make_events(2))
    position = feed.now()
    with transaction(engine) as connection:
        renewed = identity.renew(connection)
    assert feed.now() == replace(position, feed_id=renewed)
    for use in (lambda: feed.read(position, ALL, 10), lambda: feed.skip(position, ALL)):
        with pytest.raises(FeedReplaced):
            use()


def test_a_position_that_the_database_has_not_reached_is_refused(
    feed: FeedReader, writer: BatchWriter
) -> None:
    """The database is an older copy: its numbers will be given to other events."""
    write(writer, make_events(2))
    now = feed.now()
    position = Position(now.feed_id, {0: 2})
    with pytest.raises(FeedReplaced):
        feed.read(position, ALL, 10)
    with pytest.raises(FeedReplaced):
        feed.read(position, ALL, 10, head=now)
