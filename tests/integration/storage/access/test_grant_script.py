"""The script that grants events, beside the algorithm in exact numbers, with a given clock."""

from collections.abc import Iterator

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from storage.access.rate_limits import DAY_SECONDS, MILLION, Demand, RateLimit
from storage.redis import keys
from storage.redis.client import connect
from testbed.servers import TestServers
from tests.support.gcra import Gcra, grant_at

NOON = 20_000 * DAY_SECONDS * MILLION + 12 * 3600 * MILLION
DAY = NOON // MILLION // DAY_SECONDS
DAY_US = DAY_SECONDS * MILLION
ONE = Demand(1, 1, 1)


@pytest.fixture(scope="module")
def control(servers: TestServers) -> Iterator[redis.Redis]:
    with connect(servers.settings().control_url) as client:
        yield client


@pytest.fixture(autouse=True)
def _empty(control: redis.Redis) -> None:
    control.flushall()


def demands(limit: RateLimit) -> st.SearchStrategy[Demand]:
    """Return what processes may ask of this limit."""
    events = st.integers(1, min(limit.max_events, 4 * (limit.per_second or 50)))
    unpaid = st.sampled_from((0, 0, 0, 1, 7, 300, -1, -5, -40))
    day = st.sampled_from((0, DAY, DAY + 1))
    asked = st.builds(
        lambda must, more, unpaid, day: Demand(must + more, must, limit.least(must), unpaid, day),
        events,
        st.integers(0, 60),
        unpaid,
        day,
    )
    return asked | st.builds(lambda unpaid, day: Demand(0, 0, 0, unpaid, day), unpaid, day)


LIMITS = st.builds(
    RateLimit,
    st.sampled_from((1, 2, 3, 7, 100, 999, 5_000, 250_000)),
    st.none() | st.integers(1, 2_000),
) | st.builds(RateLimit, st.none(), st.integers(1, 2_000))
PAUSES = st.sampled_from((0, 1, 333, 5_000, 142_857, MILLION, 70 * MILLION)) | st.integers(
    0, 2 * MILLION
)


@given(data=st.data(), limit=LIMITS, start=st.sampled_from((NOON, NOON + DAY_US // 2 - 2_000_000)))
def test_the_script_grants_what_the_algorithm_grants(
    control: redis.Redis, data: st.DataObject, limit: RateLimit, start: int
) -> None:
    control.flushall()
    model, now = Gcra(limit), start
    for _ in range(data.draw(st.integers(1, 12), label="demands")):
        now += data.draw(PAUSES, label="pause")
        demand = data.draw(demands(limit), label="demand")
        answer, expected = grant_at(control, now, limit, demand), model.answer(now, demand)
        assert answer._replace(day_seconds=0) == expected._replace(day_seconds=0)
        assert answer.day_seconds == pytest.approx(expected.day_seconds)


def test_a_second_holds_the_rate_and_no_more(control: redis.Redis) -> None:
    limit = RateLimit(1_000, None)
    passed = [
        grant_at(control, NOON + step * 1_000, limit, Demand(50, 1, 1)).events
        for step in range(10_000)
    ]
    assert sum(passed[:1]) == 50
    assert sum(passed) == 1_000 + 9_999  # the burst, and one event each millisecond


def test_a_large_request_passes_with_room_for_half_a_second_and_is_paid_off(
    control: redis.Redis,
) -> None:
    limit = RateLimit(100, None)
    large = Demand(1_000, 1_000, limit.least(1_000))
    assert grant_at(control, NOON, limit, large).events == 1_000
    refused = grant_at(control, NOON + 1, limit, ONE)
    assert refused.events == 0
    due = refused.seconds_until(limit, 1)
    assert due == pytest.approx(9.01, abs=0.001)
    assert grant_at(control, NOON + int((due - 0.001) * MILLION), limit, ONE).events == 0
    assert grant_at(control, NOON + int((due + 0.001) * MILLION), limit, ONE).events == 1


def test_a_day_ends_at_midnight_utc(control: redis.Redis) -> None:
    limit = RateLimit(None, 10)
    midnight = (DAY + 1) * DAY_US
    assert [grant_at(control, midnight - 2, limit, ONE).events for _ in range(12)].count(1) == 10
    refused = grant_at(control, midnight - 1, limit, ONE)
    assert (refused.events, refused.left_of_day, refused.day_seconds) == (0, 0, 1e-6)
    assert grant_at(control, midnight, limit, ONE).left_of_day == 9


def test_events_given_back_after_midnight_are_not_counted_for_the_new_day(
    control: redis.Redis,
) -> None:
    limit = RateLimit(None, 100)
    before = (DAY + 1) * DAY_US - 1
    granted = grant_at(control, before, limit, Demand(10, 1, 1))
    assert grant_at(control, before + 1, limit, Demand(10, 1, 1)).left_of_day == 90
    back = Demand(0, 0, 0, -granted.events, granted.day)
    assert grant_at(control, before + 2, limit, back).left_of_day == 90


def test_a_clock_that_is_set_back_does_not_stop_a_key(control: redis.Redis) -> None:
    limit = RateLimit(10, None)
    assert grant_at(control, NOON, limit, Demand(10, 10, 5)).events == 10
    earlier = NOON - 3600 * MILLION
    assert grant_at(control, earlier, limit, ONE).events == 0
    assert grant_at(control, earlier + MILLION // 10, limit, ONE).events == 1


def test_keys_do_not_share_their_limits(control: redis.Redis) -> None:
    limit = RateLimit(5, 5)
    assert grant_at(control, NOON, limit, Demand(5, 5, 2), "one").events == 5
    assert grant_at(control, NOON, limit, ONE, "one").events == 0
    assert grant_at(control, NOON, limit, Demand(5, 5, 2), "two").events == 5


def test_only_the_count_of_a_day_stays_on_control(control: redis.Redis) -> None:
    grant_at(control, NOON, RateLimit(10, None), Demand(10, 10, 5), "rate")
    grant_at(control, NOON, RateLimit(10, 100), Demand(10, 10, 5), "day")
    assert 0 < control.pttl(keys.limit("rate")) <= 2_000
    assert control.pttl(keys.limit("day")) == -1


def test_a_key_is_as_new_when_its_time_on_control_has_passed(control: redis.Redis) -> None:
    limit = RateLimit(3, None)
    grant_at(control, NOON, limit, Demand(100, 100, 1))
    stays_us = control.pttl(keys.limit("k")) * 1_000
    told = grant_at(control, NOON + stays_us, limit, Demand(0, 0, 0))
    assert told.room == 3 * MILLION
