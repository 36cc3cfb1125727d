"""A batch has about the wanted size in bytes: few large events, or many small ones."""

import pytest

from worker.batch_size import BatchSize

MIB = 1024 * 1024


def test_the_first_batch_is_small_whatever_the_most_is() -> None:
    assert BatchSize(5_000, 8 * MIB).count == 128
    assert BatchSize(10, 8 * MIB).count == 10


def test_small_events_let_it_grow_fourfold_at_a_time_up_to_the_most() -> None:
    size = BatchSize(5_000, 8 * MIB)
    counts = []
    for _ in range(4):
        size.learn(size.count, size.count * 300)
        counts.append(size.count)
    assert counts == [512, 2_048, 5_000, 5_000]


def test_large_events_shrink_it_at_once() -> None:
    size = BatchSize(5_000, 8 * MIB)
    for _ in range(3):
        size.learn(size.count, size.count * 300)
    size.learn(5_000, 5_000 * 64 * 1024)
    assert size.count == 128
    size.learn(128, 128 * 256 * 1024)
    assert size.count == 32


def test_events_larger_than_the_aim_come_one_at_a_time() -> None:
    size = BatchSize(5_000, 1_024)
    size.learn(128, 128 * 256 * 1024)
    assert size.count == 1
    size.learn(1, 256 * 1024)
    assert size.count == 1


def test_it_grows_again_from_one_event_at_a_time() -> None:
    size = BatchSize(5_000, MIB)
    size.learn(1, 2 * MIB)
    assert size.count == 1
    counts = []
    for _ in range(7):
        size.learn(size.count, size.count * 300)
        counts.append(size.count)
    assert counts == [4, 16, 64, 256, 1_024, 3_495, 3_495]


@pytest.mark.parametrize("events", [1, 7, 128])
def test_a_batch_without_bytes_does_no_harm(events: int) -> None:
    size = BatchSize(5_000, MIB)
    size.learn(events, 0)
    assert 1 <= size.count <= 5_000


def test_the_next_batch_of_the_same_events_keeps_to_the_aim() -> None:
    for event_size in (1, 100, 999, 10_000, 300_000):
        size = BatchSize(5_000, MIB)
        for _ in range(6):
            size.learn(size.count, size.count * event_size)
            assert size.count * event_size <= MIB or size.count == 1
