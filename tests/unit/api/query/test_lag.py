"""The header `Activity-Lag` never says more than is known."""

import pytest

from api.query import lag as module
from api.query.lag import KNOWN_SECONDS, Lag
from storage.queue.inspector import ShardState

NOW = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Hold the monotonic clock in a list of one."""
    now = [NOW]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def shard(lag: float | None, backlog: int = 1) -> ShardState:
    return ShardState(0, 9, 9 - backlog, backlog, backlog, 0, 0, lag, "idle", "", 0)


def shown(lag: Lag) -> str:
    name, value = lag.header()
    assert name == b"activity-lag"
    return value.decode()


@pytest.mark.parametrize(
    ("shards", "text"),
    [
        ([shard(0.0, 0)], "0.0"),
        ([shard(0.0, 0), shard(0.31), shard(0.2)], "0.4"),  # rounded up, of the oldest
        ([shard(0.3)], "0.3"),
        ([shard(0.0)], "0.1"),  # something waits
        ([shard(7200.0)], "7200.0"),
        ([shard(0.3), shard(None)], "unknown"),
        ([], "unknown"),
    ],
)
def test_it_is_the_age_of_the_oldest_event_that_waits(
    clock: list[float], shards: list[ShardState], text: str
) -> None:
    lag = Lag()
    lag.observe(NOW, shards)
    assert shown(lag) == text


def test_it_is_unknown_before_the_first_reading_and_once_a_reading_is_old(
    clock: list[float],
) -> None:
    lag = Lag()
    assert (shown(lag), lag.seconds) == ("unknown", None)
    lag.observe(NOW, [shard(0.5)])
    clock[0] += KNOWN_SECONDS - 0.01
    assert (shown(lag), lag.seconds) == ("0.5", 0.5)
    clock[0] += 0.02
    assert (shown(lag), lag.seconds) == ("unknown", None)


def test_a_slow_reader_does_not_put_back_what_was_known_before(clock: list[float]) -> None:
    lag = Lag()
    lag.observe(NOW, [shard(0.5)])
    lag.observe(NOW - 1, [shard(9.0)])
    assert shown(lag) == "0.5"
