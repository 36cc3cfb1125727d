"""Retry-After comes from what workers really do."""

from storage.queue.drain_rate import MAX_SECONDS, UNKNOWN_SECONDS, DrainRate


def observed(*samples: tuple[float, int]) -> DrainRate:
    rate = DrainRate()
    for at, stored in samples:
        rate.observe(at, stored)
    return rate


def test_before_two_readings_a_default_is_told() -> None:
    assert observed().seconds_for(1000) == UNKNOWN_SECONDS
    assert observed((0, 5)).seconds_for(1000) == UNKNOWN_SECONDS


def test_the_wait_is_the_excess_over_the_rate_rounded_up() -> None:
    rate = observed((0, 0), (2, 2000))
    assert rate.per_second == 1000
    assert rate.seconds_for(2500) == 3
    assert rate.seconds_for(1) == 1


def test_while_nothing_is_stored_the_longest_wait_is_told() -> None:
    assert observed((0, 100), (5, 100)).seconds_for(10) == MAX_SECONDS


def test_a_wait_is_never_longer_than_the_longest() -> None:
    assert observed((0, 0), (10, 10)).seconds_for(1_000_000) == MAX_SECONDS


def test_only_the_last_seconds_count() -> None:
    assert observed((0, 0), (1, 100_000), (100, 100_000), (101, 100_010)).per_second == 10


def test_a_counter_that_fell_starts_anew() -> None:
    assert observed((0, 1000), (1, 2000), (2, 10), (3, 20)).per_second == 10
