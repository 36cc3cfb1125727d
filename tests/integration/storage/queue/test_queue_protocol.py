"""Each script of the queue on the real server: what it changes, returns and refuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from annotated_types import Le
from redis.crc import key_slot

from storage.errors import LeaseLost, QueueFull, QueueUnavailable
from storage.model.event import now_ms
from storage.queue.lease import ShardLease
from storage.queue.producer import MAX_AGE_MS, QUEUED_TTL_MS
from storage.redis import keys, script_runner
from storage.redis.client import connect
from storage.redis.script_runner import source
from storage.settings import StorageSettings
from testbed.servers import TestServers
from tests.support.queued import (
    append,
    assert_balanced,
    backlog,
    id_bytes,
    make_event,
    make_events,
    state,
)
from worker.settings import WorkerSettings

LEASE_MS = 3_000
LONG_AGO = 1
MUCH = 1 << 30
LEASING = ("acquire", "acknowledge", "release", "renew")
SCRIPTS = sorted(
    path.stem
    for path in (Path(script_runner.__file__).parents[1] / "queue" / "lua").glob("*.lua")
    if path.stem != "common"
)


@pytest.fixture
def settings(servers: TestServers) -> StorageSettings:
    """Return an empty queue; PostgreSQL has no part in this."""
    found = servers.settings()
    with connect(found.queue_url) as client:
        client.flushall()
    return found


@pytest.fixture
def queue(settings: StorageSettings) -> Iterator[redis.Redis]:
    with connect(settings.queue_url) as client:
        yield client


def run(queue: redis.Redis, script: str, names: list[str], args: list[Any]) -> Any:
    return script_runner.run(queue, f"queue/{script}", names, args)


def wake(queue: redis.Redis, lost_generation: int = 0) -> list[int]:
    names = [keys.state(0), keys.stream(0)]
    return cast(list[int], run(queue, "wake", names, [QUEUED_TTL_MS, lost_generation]))


def extend_wakeup(queue: redis.Redis, generation: int) -> object:
    return run(queue, "extend_wakeup", [keys.state(0)], [QUEUED_TTL_MS, generation])


def find(queue: redis.Redis, event_id: bytes) -> object:
    return run(queue, "find", [keys.ids(0), keys.stream(0)], [event_id])[0]


def expire(queue: redis.Redis) -> None:
    """As if nobody had given a sign of life for a term."""
    script = "#!lua flags=allow-oom\nredis.call('HSET', KEYS[1], 'exp', ARGV[1])"
    queue.eval(script, 1, keys.state(0), LONG_AGO)


def begun(queue: redis.Redis, fence_seen: int = 0) -> ShardLease:
    lease = ShardLease(queue, 0, LEASE_MS)
    assert lease.acquire(fence_seen)
    return lease


def left_ms(queue: redis.Redis) -> float:
    """How long the state still holds, by the server's clock."""
    seconds, micros = queue.time()
    return int(state(queue)["exp"]) - (seconds * 1000 + micros / 1000)


@contextmanager
def memory_full(queue: redis.Redis) -> Iterator[None]:
    before = queue.config_get("maxmemory")["maxmemory"]
    queue.config_set("maxmemory", 1)
    try:
        yield
    finally:
        queue.config_set("maxmemory", before or 0)


def test_all_keys_of_a_shard_share_one_cluster_slot() -> None:
    for shard in range(64):
        names = (keys.stream(shard), keys.state(shard), keys.ids(shard))
        assert len({key_slot(name.encode()) for name in names}) == 1
    assert len({key_slot(keys.stream(shard).encode()) for shard in range(64)}) > 32


# append


def test_append_adds_the_events_counts_them_and_remembers_their_entries(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    batch = make_events(3)
    append(settings, batch)
    found = ShardLease(queue, 0, LEASE_MS).read(10, MUCH)
    assert found is not None
    assert [event.id for event in found.events] == [event.id for event in batch]
    assert state(queue)["accepted"] == "3"
    entries = [entry for entry, _ in queue.xrange(keys.stream(0))]  # type: ignore[union-attr]
    assert queue.hmget(keys.ids(0), list(map(id_bytes, batch))) == entries
    assert_balanced(queue)


def test_append_wakes_only_an_idle_shard(settings: StorageSettings, queue: redis.Redis) -> None:
    assert append(settings, make_events(1)) == 1
    assert append(settings, make_events(1)) == 0
    assert state(queue)["st"] == "q"
    assert 0 < left_ms(queue) <= QUEUED_TTL_MS
    expire(queue)
    assert append(settings, make_events(1)) == 0, "an expired state is the sweeper's"
    begun(queue)
    assert append(settings, make_events(1)) == 0


def test_appending_the_same_ids_again_adds_nothing(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    batch = make_events(3)
    append(settings, batch)
    append(settings, [*batch, make_event("new")])
    assert backlog(queue) == 4
    assert state(queue)["accepted"] == "4"
    assert_balanced(queue)


def test_a_call_that_comes_again_when_a_part_of_it_is_stored_adds_nothing_that_still_waits(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    batch = make_events(3)
    append(settings, batch)
    lease = begun(queue)
    found = lease.read(2, MUCH)
    assert found is not None
    lease.acknowledge(found)
    append(settings, batch)
    found = ShardLease(queue, 0, LEASE_MS).read(10, MUCH)
    assert found is not None
    assert sorted(event.id for event in found.events) == sorted(event.id for event in batch)
    assert_balanced(queue)


def test_an_id_that_comes_twice_in_one_call_is_appended_once(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    first, second = make_events(2)
    append(settings, [first, first, second, first])
    assert backlog(queue) == 2
    assert queue.hlen(keys.ids(0)) == 2
    assert_balanced(queue)


def test_a_long_append_is_retried_like_a_short_one(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    batch = make_events(9_001)  # more than Lua can unpack at once
    append(settings, batch[::3])
    append(settings, batch)
    append(settings, batch)
    assert backlog(queue) == queue.hlen(keys.ids(0)) == 9_001
    for one in (batch[0], batch[4_500], batch[-1]):
        entry = queue.hget(keys.ids(0), id_bytes(one))
        assert entry is not None
        [(_, fields)] = queue.xrange(keys.stream(0), entry, entry) or []
        assert fields is not None
        assert one.id.encode() in fields[b"e"]
    assert_balanced(queue)


def test_append_refuses_what_is_too_old_without_writing(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    with pytest.raises(QueueUnavailable, match="30 s older"):
        append(settings, make_events(2), oldest_ms=now_ms() - MAX_AGE_MS - 1)
    assert not queue.exists(keys.stream(0), keys.state(0), keys.ids(0))
    append(settings, make_events(2), oldest_ms=now_ms() - MAX_AGE_MS + 5_000)
    assert backlog(queue) == 2


def test_append_is_refused_whole_when_memory_is_full(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    append(settings, make_events(1))
    before = state(queue)
    with memory_full(queue), pytest.raises(QueueFull):
        append(settings, make_events(100))
    assert backlog(queue) == 1
    assert state(queue) == before
    assert_balanced(queue)


def test_an_append_that_reaches_the_memory_limit_on_its_way_is_whole(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    used = queue.info("memory")["used_memory"]
    before = queue.config_get("maxmemory")["maxmemory"]
    queue.config_set("maxmemory", used + 2_000_000)
    big = [make_event("x" * 50_000) for _ in range(100)]
    try:
        append(settings, big)
    except QueueFull:
        assert backlog(queue) == 0
    else:
        assert backlog(queue) == 100
    finally:
        queue.config_set("maxmemory", before or 0)
    assert_balanced(queue)


def test_only_appending_can_be_refused_for_want_of_memory() -> None:
    first_lines = {name: source(f"queue/{name}").split("\n", 1)[0] for name in SCRIPTS}
    assert set(SCRIPTS) >= {*LEASING, "append", "extend_wakeup", "find", "wake"}
    assert first_lines.pop("append") == first_lines.pop("append_idempotent") == "#!lua"
    assert set(first_lines.values()) == {"#!lua flags=allow-oom", "#!lua flags=no-writes"}


def test_a_full_queue_can_be_drained(settings: StorageSettings, queue: redis.Redis) -> None:
    batch = make_events(3)
    append(settings, batch)
    with memory_full(queue):
        queue.script_flush()  # as after a restart
        expire(queue)
        assert wake(queue) == [0, 1]
        assert extend_wakeup(queue, 1) == 1
        expire(queue)
        assert wake(queue, 1) == [2, 0]
        lease = begun(queue)
        lease.renew()
        found = lease.read(2, MUCH)
        assert found is not None
        assert lease.acknowledge(found) == 1
        assert find(queue, id_bytes(batch[2])) is not None
        assert lease.release() == 3
    assert_balanced(queue)


# wake and extend_wakeup


def test_wake_leaves_an_empty_shard_idle(queue: redis.Redis) -> None:
    assert wake(queue) == [0, 0]
    queue.hset(keys.state(0), mapping={"st": "q", "exp": LONG_AGO, "gen": 4})
    assert wake(queue) == [0, 0]
    assert state(queue) == {"gen": "4"}


def test_wake_queues_a_drain_for_an_idle_shard_with_entries(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    append(settings, make_events(1))
    queue.hdel(keys.state(0), "st", "exp")
    assert wake(queue) == [2, 0]
    assert state(queue)["st"] == "q"
    assert 0 < left_ms(queue) <= QUEUED_TTL_MS


def test_wake_leaves_alone_what_is_alive(settings: StorageSettings, queue: redis.Redis) -> None:
    append(settings, make_events(1))
    assert wake(queue) == [0, 0]
    begun(queue)
    assert wake(queue) == [0, 0]
    assert state(queue)["gen"] == "1"


def test_wake_asks_after_the_job_of_an_expired_queued_shard(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    generation = append(settings, make_events(1))
    expire(queue)
    assert wake(queue) == [0, generation]
    assert wake(queue, generation + 5) == [0, generation], "the answer was about another job"
    assert wake(queue, generation) == [generation + 1, 0]
    assert wake(queue, generation) == [0, 0], "only one of two sweepers enqueues"


def test_wake_queues_the_successor_of_a_drain_that_died(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    append(settings, make_events(1))
    begun(queue)
    expire(queue)
    assert wake(queue) == [2, 0]


def test_a_clock_set_back_does_not_keep_a_dead_drain_alive(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    append(settings, make_events(1))
    begun(queue)
    queue.hset(keys.state(0), "exp", now_ms() + 3_600_000)
    assert ShardLease(queue, 0, LEASE_MS).acquire(0)
    queue.hset(keys.state(0), "exp", now_ms() + 3_600_000)
    assert wake(queue) == [2, 0]


def test_extend_wakeup_prolongs_only_the_generation_that_still_waits(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    generation = append(settings, make_events(1))
    expire(queue)
    assert extend_wakeup(queue, generation + 1) == 0
    assert left_ms(queue) < 0
    assert extend_wakeup(queue, generation) == 1
    assert 0 < left_ms(queue) <= QUEUED_TTL_MS
    begun(queue)
    expire(queue)
    assert extend_wakeup(queue, generation) == 0
    assert left_ms(queue) < 0


# begin and renew


def test_acquire_is_refused_while_another_drain_lives(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    append(settings, make_events(1))
    first = begun(queue)
    before = state(queue)
    assert not ShardLease(queue, 0, LEASE_MS).acquire(0)
    assert state(queue) == before
    assert 0 < left_ms(queue) <= LEASE_MS
    first.renew()


def test_the_longest_lease_that_may_be_configured_is_alive(queue: redis.Redis) -> None:
    bounds = WorkerSettings.model_fields["lease_ms"].metadata
    [longest] = [cast(int, bound.le) for bound in bounds if isinstance(bound, Le)]
    assert ShardLease(queue, 0, longest).acquire(0)
    assert not ShardLease(queue, 0, LEASE_MS).acquire(0)


def test_the_fence_grows_also_past_what_postgresql_has_seen(queue: redis.Redis) -> None:
    first = begun(queue)
    expire(queue)
    second = begun(queue)
    assert second.fence > first.fence
    far = second.fence + 10**12
    expire(queue)
    assert begun(queue, far).fence == far + 1
    expire(queue)
    assert begun(queue).fence == far + 2
    queue.flushall()
    assert begun(queue, far + 2).fence == far + 3


def test_the_fence_grows_when_the_queue_lost_its_data(queue: redis.Redis) -> None:
    first = begun(queue)
    queue.flushall()
    assert begun(queue).fence > first.fence


def test_acquire_tells_a_takeover_from_a_successor(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    append(settings, make_events(1))
    first = begun(queue)
    assert not first.took_over
    first.release()
    second = begun(queue)
    assert not second.took_over
    expire(queue)
    third = begun(queue)
    assert third.took_over
    third.release()
    assert not begun(queue).took_over


def test_a_takeover_is_told_after_the_sweeper_queued_it(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    append(settings, make_events(1))
    begun(queue)
    expire(queue)
    assert wake(queue) == [2, 0]
    assert begun(queue).took_over


def test_renew_prolongs_the_lease_and_fails_once_it_is_lost(queue: redis.Redis) -> None:
    first = begun(queue)
    expire(queue)
    first.renew()
    assert LEASE_MS - 1_000 < left_ms(queue) <= LEASE_MS
    expire(queue)
    begun(queue)
    before = state(queue)
    with pytest.raises(LeaseLost):
        first.renew()
    assert state(queue) == before


# ack and finish


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


# find


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
