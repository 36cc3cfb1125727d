"""Appending on the real server: which keys change, and what is counted, woken and refused."""

import pytest
import redis
from redis.crc import key_slot

from storage.errors import QueueUnavailable
from storage.model.event import now_ms
from storage.queue.lease import ShardLease
from storage.queue.producer import MAX_AGE_MS, QUEUED_TTL_MS
from storage.redis import keys
from storage.settings import StorageSettings
from tests.support import queue_scripts
from tests.support.queue_scripts import LEASE_MS, MUCH, begun, expire, left_ms
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


def test_all_keys_of_a_shard_share_one_cluster_slot() -> None:
    for shard in range(64):
        names = (keys.stream(shard), keys.state(shard), keys.ids(shard))
        assert len({key_slot(name.encode()) for name in names}) == 1
    assert len({key_slot(keys.stream(shard).encode()) for shard in range(64)}) > 32


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
