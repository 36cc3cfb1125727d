"""How many workers are wanted, from what is accepted, what waits, and what one worker stores."""

from storage.queue.pace import RECENT_MS, RecordedPace, recent_pace, workers_wanted

SHARDS = 8


def test_one_worker_is_wanted_while_nothing_comes() -> None:
    assert workers_wanted(0, 0, 2000, SHARDS) == 1


def test_as_many_workers_are_wanted_as_what_is_accepted_needs() -> None:
    assert workers_wanted(4000, 0, 2000, SHARDS) == 2
    assert workers_wanted(4001, 0, 2000, SHARDS) == 3
    assert workers_wanted(0.3 * 3, 0, 0.3, SHARDS) == 3, "0.3 * 3 / 0.3 is above 3"


def test_a_backlog_asks_for_workers_that_store_it_within_30_seconds() -> None:
    assert workers_wanted(1000, 90_000, 2000, SHARDS) == 2
    assert workers_wanted(1000, 90_001, 2000, SHARDS) == 3


def test_more_workers_than_shards_are_never_wanted() -> None:
    assert workers_wanted(1e9, 1_000_000, 1, SHARDS) == SHARDS


def test_without_one_of_the_rates_it_is_unknown() -> None:
    assert workers_wanted(None, 0, 2000, SHARDS) is None
    assert workers_wanted(10, 0, None, SHARDS) is None
    assert workers_wanted(10, 0, 0.0, SHARDS) is None
    assert workers_wanted(0, 1, None, SHARDS) is None


def test_where_nothing_comes_and_nothing_waits_one_worker_is_wanted_at_any_pace() -> None:
    assert workers_wanted(0, 0, None, SHARDS) == 1


def test_the_pace_is_the_mean_of_the_latest() -> None:
    latest = 1_000_000
    old = RecordedPace(1.0, latest - RECENT_MS - 1)
    assert recent_pace([old, RecordedPace(100, latest), RecordedPace(300, latest - 50)]) == 200


def test_an_old_pace_is_remembered_while_there_is_no_newer_one() -> None:
    assert recent_pace([RecordedPace(100, 1)]) == 100
    assert recent_pace([]) is None


def test_lower_bounds_count_only_without_a_measured_pace() -> None:
    bounds = [RecordedPace(100, 0), RecordedPace(200, 0)]
    assert recent_pace(bounds) == 200
    assert recent_pace([*bounds, RecordedPace(5000, 1_000_000)]) == 5000
