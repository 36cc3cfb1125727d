"""The growth of a counter, as an API process sees it."""

from storage.queue.counter_rate import CounterRate


def observed(*samples: tuple[float, int], min_seconds: float = 5) -> CounterRate:
    rate = CounterRate(30, min_seconds)
    for at, count in samples:
        rate.observe(at, count)
    return rate


def test_it_is_unknown_until_it_was_watched_for_some_seconds() -> None:
    assert observed().per_second is None
    assert observed((0, 10)).per_second is None
    assert observed((0, 10), (4, 50)).per_second is None
    assert observed((0, 10), (5, 60)).per_second == 10


def test_a_counter_that_stands_still_grows_by_nothing() -> None:
    assert observed((0, 10), (5, 10)).per_second == 0


def test_a_counter_that_starts_again_is_unknown_and_never_negative() -> None:
    assert observed((0, 1000), (10, 2000), (11, 5)).per_second is None
    assert observed((0, 1000), (10, 2000), (11, 5), (16, 55)).per_second == 10


def test_only_the_window_counts() -> None:
    assert observed((0, 0), (10, 100_000), (40, 100_000), (50, 100_100)).per_second == 10


def test_two_samples_at_one_moment_tell_nothing() -> None:
    assert observed((3, 1), (3, 2), min_seconds=0.001).per_second is None
