"""The lease of a shard on the real server: who gets it, its fence, and how it is lost."""

from typing import cast

import pytest
import redis
from annotated_types import Le

from storage.errors import LeaseLost
from storage.queue.lease import ShardLease
from storage.settings import StorageSettings
from tests.support import queue_scripts
from tests.support.queue_scripts import (
    LEASE_MS,
    begun,
    expire,
    left_ms,
    wake,
)
from tests.support.queued import (
    append,
    make_events,
    state,
)
from worker.settings import WorkerSettings

settings = queue_scripts.settings
queue = queue_scripts.queue


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
