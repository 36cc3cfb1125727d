"""Chunks of a stream: each event has the token behind it, and no chunk is large."""

from uuid import UUID

from api.query.feed.chunk_limits import MAX_EVENTS, ChunkLimits
from api.query.feed.rendering import CHUNK_BYTES, chunk_of
from api.query.feed.tokens import position_of
from storage.feed.position import Key, Position, finished, stopped
from storage.feed.reader import FeedPage
from storage.model.event import created_at_of_id
from tests.support.event_streams import Parser, lines_of
from tests.support.reading import made

FEED = "2f0e8a52-63b9-4f0f-9a2c-3c1d57a7a001"
START = Position(FEED, {0: 3, 2: 7})
TO = {0: 5, 1: 1, 2: 7}


def page(count: int, characters: int) -> FeedPage:
    events = [made(1_772_323_200_000 + n, message="x" * characters) for n in range(count)]
    ids = [UUID(event.id) for event in events]
    keys = [Key(4, created_at_of_id(one), one) for one in ids]
    return FeedPage(events, finished(START, TO), 0, keys, TO)


def test_each_event_has_the_token_of_the_position_behind_it() -> None:
    found = page(5, 10)
    chunk = chunk_of(found, START)
    parser = Parser()
    events = [event for line in lines_of([chunk.frames]) if (event := parser.line(line))]
    behind = [position_of(event.last_event_id, FEED) for event in events]
    assert behind == [stopped(START, key, TO) for key in found.keys]
    assert (chunk.events, chunk.next, chunk.behind) == (5, found.next, 0)


def test_a_chunk_ends_with_the_event_that_fills_it_and_goes_on_behind_it() -> None:
    found = page(100, 50_000)
    chunk = chunk_of(found, START)
    assert CHUNK_BYTES < len(chunk.frames) < CHUNK_BYTES + 51_000
    assert chunk.is_cut
    assert chunk.behind > 0
    assert chunk.next == stopped(START, found.keys[chunk.events - 1], TO)
    assert chunk_of(page(1, CHUNK_BYTES), START).events == 1


def test_where_events_are_large_fewer_are_read_until_they_are_small_again() -> None:
    limits = ChunkLimits()
    assert limits.get("a") == MAX_EVENTS
    large = chunk_of(page(100, 50_000), START)
    limits.set("a", large)
    assert limits.get("a") == large.events < 10
    assert limits.get("b") == MAX_EVENTS
    for _ in range(10):
        limits.set("a", chunk_of(page(5, 10), START))
    assert limits.get("a") == MAX_EVENTS
