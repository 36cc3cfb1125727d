"""What a drain reads, acknowledges and releases on the real server, and what `find` returns."""

import pytest
import redis

from storage.errors import LeaseLost
from storage.queue.pace import Pace
from storage.queue.producer import QUEUED_TTL_MS
from storage.redis import keys
from storage.settings import StorageSettings
from tests.support import queue_scripts
from tests.support.queue_scripts import MUCH, begun, expire, find, left_ms, wake
from tests.support.queued import (
    append,
    assert_balanced,
    backlog,
    id_bytes,
    make_event,
    make_events,
    state,
)

settings = queue_scripts.settings
queue = queue_scripts.queue


def test_a_batch_is_read_in_the_streams_order_and_ends_at_its_bytes(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    batch = make_events(1_000)
    append(settings, batch)
    lease = begun(queue)
    for count in (1, 255, 256, 257, 999, 1_000, 5_000):
        found = lease.read(count, MUCH)
        assert found is not None
        assert [event.id for event in found.events] == [event.id for event in batch[:count]]
        assert found.ids == list(map(id_bytes, batch[:count]))
    few = lease.read(5_000, 1_000)
    assert few is not None
    assert len(few.events) == 256
    assert lease.acknowledge(few) == 744
    assert_balanced(queue)


def test_a_batch_of_another_server_is_not_acknowledged(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    """Its last entry is not here: this server has taken over from the one where it was read."""
    append(settings, make_events(3))
    lease = begun(queue)
    found = lease.read(3, MUCH)
    assert found is not None
    queue.xdel(keys.stream(0), found.entries[-1])
    with pytest.raises(LeaseLost):
        lease.acknowledge(found)
    assert backlog(queue) == 2
    queue.xtrim(keys.stream(0), maxlen=0)
    assert lease.acknowledge(found) == 0, "a call repeated because its answer was lost"


def test_acknowledging_forgets_exactly_the_batch(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    batch = make_events(5)
    append(settings, batch)
    lease = begun(queue)
    expire(queue)
    found = lease.read(3, MUCH)
    assert found is not None
    append(settings, [late := make_event("late")])
    assert lease.acknowledge(found) == 3
    left = lease.read(10, MUCH)
    assert left is not None
    assert [event.id for event in left.events] == [batch[3].id, batch[4].id, late.id]
    assert queue.hmget(keys.ids(0), list(map(id_bytes, batch[:3]))) == [None] * 3
    assert state(queue)["trimmed"] == "3"
    assert left_ms(queue) > 0, "an acknowledgement is a sign of life"
    assert_balanced(queue)


def test_acknowledging_twice_changes_nothing(settings: StorageSettings, queue: redis.Redis) -> None:
    append(settings, make_events(5))
    lease = begun(queue)
    found = lease.read(3, MUCH)
    assert found is not None
    assert lease.acknowledge(found) == 2
    assert lease.acknowledge(found) == 2
    assert state(queue)["trimmed"] == "3"
    assert_balanced(queue)


def test_acknowledging_more_than_lua_can_unpack_at_once(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    append(settings, make_events(12_001))
    lease = begun(queue)
    found = lease.read(12_000, MUCH)
    assert found is not None
    assert lease.acknowledge(found) == 1
    assert_balanced(queue)


def test_a_drain_that_lost_its_lease_cannot_acknowledge(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    append(settings, make_events(2))
    first = begun(queue)
    found = first.read(2, MUCH)
    assert found is not None
    expire(queue)
    wake(queue)
    with pytest.raises(LeaseLost):
        first.acknowledge(found)  # queued: already no longer its own
    begun(queue)
    before = state(queue)
    with pytest.raises(LeaseLost):
        first.acknowledge(found)
    assert state(queue) == before
    assert backlog(queue) == 2
    assert_balanced(queue)


def test_release_leaves_an_empty_shard_idle(settings: StorageSettings, queue: redis.Redis) -> None:
    append(settings, make_events(1))
    lease = begun(queue)
    found = lease.read(1, MUCH)
    assert found is not None
    lease.acknowledge(found)
    assert lease.release() == 0
    assert set(state(queue)) == {"gen", "fence", "accepted", "trimmed", "bytes", "since"}
    assert append(settings, make_events(1)) == 2


def test_release_asks_for_the_next_drain_when_a_backlog_is_left(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    append(settings, make_events(1))
    assert begun(queue).release() == 2
    assert state(queue)["st"] == "q"
    assert 0 < left_ms(queue) <= QUEUED_TTL_MS
    assert append(settings, make_events(1)) == 0


def test_release_changes_nothing_for_a_drain_that_lost_its_lease(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    append(settings, make_events(1))
    first = begun(queue)
    expire(queue)
    begun(queue)
    before = state(queue)
    assert first.release() == 0
    assert state(queue) == before


def test_find_returns_a_queued_event_until_it_is_acknowledged(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    event = make_event("found", data=b'{"a": 1}')
    append(settings, [make_event(), event])
    body = find(queue, id_bytes(event))
    assert isinstance(body, bytes)
    assert b'"found"' in body
    assert find(queue, bytes(16)) is None
    lease = begun(queue)
    batch = lease.read(10, MUCH)
    assert batch is not None
    lease.acknowledge(batch)
    assert find(queue, id_bytes(event)) is None


def recorded(settings: StorageSettings, queue: redis.Redis, pace: Pace | None) -> tuple[str, bool]:
    """Acknowledge one event with this pace; return what the shard records, and whether when."""
    append(settings, make_events(1))
    lease = begun(queue)
    found = lease.read(1, MUCH)
    assert found is not None
    lease.acknowledge(found, pace)
    lease.release()
    now = state(queue)
    return now.get("pace", ""), now.get("pace_at", "0") != "0"


def test_a_shard_records_the_pace_of_the_worker_that_drained_it(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    assert recorded(settings, queue, None) == ("", False)
    assert recorded(settings, queue, Pace(1234.5678, at_least=False)) == ("1234.568", True)
    assert recorded(settings, queue, None) == ("1234.568", True)
    assert recorded(settings, queue, Pace(99, at_least=False)) == ("99.000", True)
    assert_balanced(queue)


def test_a_lower_bound_is_recorded_until_a_pace_is_measured(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    assert recorded(settings, queue, Pace(100, at_least=True)) == ("100.000", False)
    assert recorded(settings, queue, Pace(50, at_least=True)) == ("100.000", False)
    assert recorded(settings, queue, Pace(200, at_least=True)) == ("200.000", False)
    assert recorded(settings, queue, Pace(150, at_least=False)) == ("150.000", True)
    assert recorded(settings, queue, Pace(900, at_least=True)) == ("150.000", True)


def test_a_pace_that_another_program_has_written_stops_no_drain(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    queue.hset(keys.state(0), mapping={"pace": "fast", "pace_at": "now"})
    assert recorded(settings, queue, Pace(10, at_least=True)) == ("10.000", False)
