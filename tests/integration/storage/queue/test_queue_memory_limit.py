"""A queue whose memory is full refuses whole appends, and can still be drained."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from storage.errors import QueueFull
from storage.redis import script_runner
from storage.redis.script_runner import source
from storage.settings import StorageSettings
from tests.support import queue_scripts
from tests.support.queue_scripts import (
    MUCH,
    begun,
    expire,
    extend_wakeup,
    find,
    wake,
)
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

LEASING = ("acquire", "acknowledge", "release", "renew")
SCRIPTS = sorted(
    path.stem
    for path in (Path(script_runner.__file__).parents[1] / "queue" / "lua").glob("*.lua")
    if path.stem != "common"
)


@contextmanager
def memory_full(queue: redis.Redis) -> Iterator[None]:
    before = queue.config_get("maxmemory")["maxmemory"]
    queue.config_set("maxmemory", 1)
    try:
        yield
    finally:
        queue.config_set("maxmemory", before or 0)


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
