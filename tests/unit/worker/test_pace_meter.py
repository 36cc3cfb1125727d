"""A worker measures how fast it stores while it is busy."""

import pytest

from storage.queue.pace import Pace
from worker.pace_meter import PaceMeter


def after(*batches: tuple[int, float, bool]) -> Pace | None:
    meter = PaceMeter()
    meter.add(1, 100.0, small=False)  # the first batch, which does not count
    for events, seconds, small in batches:
        meter.add(events, seconds, small)
    return meter.pace


def test_it_is_unknown_until_a_second_of_work_is_measured() -> None:
    assert after() is None
    assert after((500, 0.1, False)) is None
    assert after((4500, 0.9, False)) == Pace(5000, at_least=True)
    assert after((5000, 1.0, False)) == Pace(5000, at_least=False)


def test_small_batches_tell_only_a_lower_bound() -> None:
    found = after(*[(10, 0.01, True)] * 200)
    assert found is not None
    assert found.at_least
    assert found.per_second == pytest.approx(1000, rel=0.01)


def test_small_batches_do_not_count_once_large_ones_are_measured() -> None:
    large = [(5000, 0.25, False)] * 8
    assert after(*large) == after(*large, *[(1, 0.01, True)] * 10_000)


def test_it_follows_a_change_within_a_minute_of_work() -> None:
    found = after(*[(5000, 0.25, False)] * 400, *[(5000, 1.0, False)] * 60)
    assert found is not None
    assert found.per_second == pytest.approx(5000, rel=0.5)
