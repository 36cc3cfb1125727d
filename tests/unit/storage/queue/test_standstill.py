"""A shard stands still when events wait there and none has left for some time."""

from storage.queue.inspector import ShardState
from storage.queue.standstill import STANDSTILL_SECONDS, Standstill

LATE = STANDSTILL_SECONDS + 1


def shard(backlog: int, trimmed: int = 0, foreign: int = 0) -> ShardState:
    return ShardState(3, 100, trimmed, backlog, backlog, foreign, 0, 0.0, "queued", "", 1)


def stood(*samples: tuple[float, ShardState]) -> dict[int, float]:
    found = Standstill()
    for at, state in samples:
        found.observe(at, [state])
    return found.seconds(samples[-1][0])


def test_nothing_that_leaves_for_some_time_is_a_standstill() -> None:
    assert stood((0, shard(5)), (LATE, shard(7))) == {3: LATE}


def test_a_short_wait_is_none() -> None:
    assert stood((0, shard(5)), (LATE - 2, shard(5))) == {}


def test_an_empty_shard_does_not_stand_still() -> None:
    assert stood((0, shard(0)), (LATE, shard(0))) == {}
    assert stood((0, shard(5)), (5, shard(0, 5)), (LATE, shard(1, 5))) == {}


def test_what_leaves_starts_the_wait_anew() -> None:
    assert stood((0, shard(5)), (5, shard(5, 1)), (LATE, shard(5, 1))) == {}
    assert stood((0, shard(5)), (5, shard(5, 0, 1)), (LATE, shard(5, 0, 1))) == {}
