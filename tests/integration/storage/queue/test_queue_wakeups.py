"""`wake` and `extend_wakeup` on the real server: which shard gets a drain, and which waits."""

import redis

from storage.model.event import now_ms
from storage.queue.lease import ShardLease
from storage.queue.producer import QUEUED_TTL_MS
from storage.redis import keys
from storage.settings import StorageSettings
from tests.support import queue_scripts
from tests.support.queue_scripts import (
    LEASE_MS,
    LONG_AGO,
    begun,
    expire,
    extend_wakeup,
    left_ms,
    wake,
)
from tests.support.queued import append, make_events, state

settings = queue_scripts.settings
queue = queue_scripts.queue


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
