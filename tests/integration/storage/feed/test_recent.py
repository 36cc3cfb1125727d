"""What the ledger says of the time of recent batches holds for each event, also for late ones."""

from random import Random

import pytest
import sqlalchemy as sa

from storage.events.writer import BatchWriter
from storage.feed.reader import FeedReader
from storage.model.event import Event, created_ms, now_ms
from tests.support import batch_writing
from tests.support import feed as feed_support
from tests.support.feed import execute, follow, ids
from tests.support.queued import make_event

engine = batch_writing.engine
writing = batch_writing.writing
writer = batch_writing.writer
feed = feed_support.feed

HOUR_MS = 3_600_000
_BROKEN = """
    SELECT count(*) FROM events JOIN drain_ledger AS of ON of.shard = feed >> 48
    WHERE feed & ((1::bigint << 48) - 1) > recent_after AND created_at < recent_from
"""
_RECENT = "SELECT batches - recent_after FROM drain_ledger WHERE shard = 0"


def store(writer: BatchWriter, hours_ago: float, known: bool = True) -> Event:
    event = make_event(ms=int(now_ms() - hours_ago * HOUR_MS))
    writer.ensure_partitions([event])
    with writer.batch(0, 1, created_ms(event) if known else None) as transaction:
        transaction.insert([event])
    return event


def scalar(engine: sa.Engine, query: str) -> object:
    with engine.connect() as connection:
        return connection.exec_driver_sql(query).scalar()


@pytest.mark.parametrize("seed", range(3))
def test_a_reader_gets_late_events_too_wherever_it_is(
    feed: FeedReader, writer: BatchWriter, engine: sa.Engine, seed: int
) -> None:
    draw = Random(seed)
    positions, stored = [feed.now()], list[Event]()
    for _ in range(25):
        late = draw.choice([0, 0, 0, 2, 4, 7, 30])
        stored.append(store(writer, late, known=draw.random() < 0.9))
        positions.append(feed.now())
        if draw.random() < 0.2:  # as if hours had passed
            execute(engine, "UPDATE drain_ledger SET recent_from = recent_from - interval '4 h'")
        assert scalar(engine, _BROKEN) == 0
    for number, position in enumerate(positions):
        assert ids(follow(feed, position)[0]) == ids(stored[number:])
        assert ids(follow(feed, position, limit=2)[0]) == ids(stored[number:])


def test_while_no_event_comes_late_the_bound_stays(writer: BatchWriter, engine: sa.Engine) -> None:
    for number in range(5):
        store(writer, 0)
        assert scalar(engine, _RECENT) == number
    store(writer, 4)
    assert scalar(engine, _RECENT) == 0
    store(writer, 0)
    assert scalar(engine, _RECENT) == 1


def test_the_bound_follows_the_time(writer: BatchWriter, engine: sa.Engine) -> None:
    store(writer, 0)
    execute(engine, "UPDATE drain_ledger SET recent_from = now() - interval '7 h'")
    store(writer, 0)
    assert scalar(engine, _RECENT) == 0
    assert scalar(engine, "SELECT recent_from > now() - interval '4 h' FROM drain_ledger")
