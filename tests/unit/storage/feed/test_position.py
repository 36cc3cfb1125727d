"""What is left to read behind a position."""

from datetime import UTC, datetime
from uuid import UUID

from storage.events.feed_numbers import REPLAY, number_of, writer_and_batch
from storage.feed.position import (
    FIRST,
    Key,
    Part,
    Position,
    Within,
    batches_behind,
    finished,
    is_ahead,
    later,
    parts,
    reach,
    skipped_parts,
    stopped,
)

AT = datetime(2026, 11, 28, tzinfo=UTC)
HEAD = Position("f", {0: 5, 3: 7})


def key(writer: int, batch: int) -> Key:
    return Key(number_of(writer, batch), AT, UUID(int=1))


def left(position: Position, head: Position = HEAD) -> list[Part]:
    return list(parts(position, reach(position, head)))


def part(writer: int, low: int, high: int, last: Key | None = None) -> Part:
    return Part(number_of(writer, low), number_of(writer, high), last)


def test_numbers_are_in_the_order_of_a_writers_batches_and_fit_into_a_bigint() -> None:
    assert number_of(0, 1) < number_of(0, 2) < number_of(1, 1) < number_of(REPLAY, 1)
    assert writer_and_batch(number_of(63, 12)) == (63, 12)
    assert number_of(2 * REPLAY - 1, (1 << 48) - 1) < 1 << 63


def test_a_read_has_a_part_for_each_writer_that_moved() -> None:
    assert left(Position("f", {0: 5, 3: 4})) == [part(3, 4, 7)]
    assert left(Position("f", {})) == [part(0, 0, 5), part(3, 0, 7)]
    assert left(HEAD) == []


def test_a_writer_that_a_position_does_not_name_is_read_from_its_first_batch() -> None:
    assert left(HEAD, Position("f", {0: 5, 3: 7, 4: 2})) == [part(4, 0, 2)]


def test_an_unfinished_read_goes_on_behind_its_last_event_to_where_it_was_to_end() -> None:
    start = Position("f", {0: 1})
    position = stopped(start, key(0, 3), {0: 4, 3: 6})
    assert left(position) == [part(0, 1, 4, key(0, 3)), part(3, 0, 6)]
    position = stopped(start, key(3, 2), {0: 4, 3: 6})
    assert left(position) == [part(3, 0, 6, key(3, 2))]
    assert finished(position, reach(position, HEAD)) == Position("f", {0: 4, 3: 6})


def test_events_without_a_number_come_first() -> None:
    position = Position("f", {}, Within(FIRST, {0: 5}))
    assert left(position) == [Part(-1, 0, FIRST), part(0, 0, 5)]


def test_an_older_head_takes_nothing_back() -> None:
    position = Position("f", {0: 9, 1: 1})
    assert finished(position, reach(position, HEAD)).batches == {0: 9, 1: 1, 3: 7}
    assert is_ahead(position, HEAD)
    assert not is_ahead(HEAD, HEAD)
    assert is_ahead(stopped(HEAD, key(0, 6), {0: 6, 3: 7}), HEAD)
    assert later({0: 1}, {0: 3, 1: 1}) == {0: 3, 1: 1}


def test_behind_is_the_number_of_batches_that_are_not_read_to_their_end() -> None:
    assert batches_behind(HEAD, HEAD) == 0
    assert batches_behind(Position("f", {0: 1}), HEAD) == 4 + 7
    to = {0: 4, 3: 6}
    assert batches_behind(stopped(Position("f", {0: 1}), key(0, 3), to), HEAD) == 3 + 7
    assert batches_behind(stopped(Position("f", {0: 1}), key(3, 2), to), HEAD) == 1 + 6
    assert batches_behind(Position("f", {}, Within(FIRST, to)), HEAD) == 1 + 5 + 7


def test_skipping_skips_the_rest_of_the_read_and_all_that_came_since() -> None:
    position = stopped(Position("f", {0: 1}), key(3, 2), {0: 4, 3: 6})
    assert list(skipped_parts(position, HEAD)) == [
        part(3, 0, 6, key(3, 2)),
        part(0, 4, 5),
        part(3, 6, 7),
    ]
