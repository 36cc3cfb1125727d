"""Run the scripts of the queue on the real server, one by one."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
import redis

from storage.queue.lease import ShardLease
from storage.queue.producer import QUEUED_TTL_MS
from storage.redis import keys, script_runner
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.servers import TestServers
from tests.support.queued import state

LEASE_MS = 3_000
LONG_AGO = 1
MUCH = 1 << 30


@pytest.fixture
def settings(servers: TestServers) -> StorageSettings:
    """Return the settings of an empty queue; these scripts don't use PostgreSQL."""
    found = servers.settings()
    with connect(found.queue_url) as client:
        client.flushall()
    return found


@pytest.fixture
def queue(settings: StorageSettings) -> Iterator[redis.Redis]:
    """Yield a client of the queue."""
    with connect(settings.queue_url) as client:
        yield client


def run(queue: redis.Redis, script: str, names: list[str], args: list[Any]) -> Any:
    """Run a script of the queue."""
    return script_runner.run(queue, f"queue/{script}", names, args)


def wake(queue: redis.Redis, lost_generation: int = 0) -> list[int]:
    """Wake the shard if it needs a drain; return what `wake.lua` says."""
    names = [keys.state(0), keys.stream(0)]
    return cast(list[int], run(queue, "wake", names, [QUEUED_TTL_MS, lost_generation]))


def extend_wakeup(queue: redis.Redis, generation: int) -> object:
    """Restart the term of a drain that waits; return 0 if this generation waits no more, or 1."""
    return run(queue, "extend_wakeup", [keys.state(0)], [QUEUED_TTL_MS, generation])


def find(queue: redis.Redis, event_id: bytes) -> object:
    """Return the JSON of a queued event, or None."""
    return run(queue, "find", [keys.ids(0), keys.stream(0)], [event_id])[0]


def expire(queue: redis.Redis) -> None:
    """End the term of the shard's state, as when no drain renews it."""
    script = "#!lua flags=allow-oom\nredis.call('HSET', KEYS[1], 'exp', ARGV[1])"
    queue.eval(script, 1, keys.state(0), LONG_AGO)


def begun(queue: redis.Redis, fence_seen: int = 0) -> ShardLease:
    """Acquire the shard's lease and return it."""
    lease = ShardLease(queue, 0, LEASE_MS)
    assert lease.acquire(fence_seen)
    return lease


def left_ms(queue: redis.Redis) -> float:
    """Return how long the shard's state is still valid, by the server's clock."""
    seconds, micros = queue.time()
    return int(state(queue)["exp"]) - (seconds * 1000 + micros / 1000)
