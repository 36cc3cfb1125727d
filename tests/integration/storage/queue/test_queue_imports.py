"""Appending imported events on the real server: the same ids may come again in any order."""

import asyncio
from collections.abc import Sequence

import redis

from storage.model.event import Event, encode_event, now_ms
from storage.queue.lease import ShardLease
from storage.queue.producer import Appended, QueueProducer
from storage.redis import keys
from storage.redis.client import connect_async
from storage.settings import StorageSettings
from tests.support import queue_scripts
from tests.support.queue_scripts import LEASE_MS, MUCH
from tests.support.queued import assert_balanced, id_bytes, make_events, state

settings = queue_scripts.settings
queue = queue_scripts.queue


def add(settings: StorageSettings, events: Sequence[Event]) -> Appended:
    """Append imported events to shard 0."""

    async def run() -> Appended:
        producer = QueueProducer(connect_async(settings.queue_url), shards=1)
        items = [part for event in events for part in (id_bytes(event), encode_event(event))]
        try:
            return await producer.append(0, now_ms(), items, imported=True)
        finally:
            await producer.close()

    return asyncio.run(run())


def test_ids_that_wait_in_any_order_are_not_added_again(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    events = make_events(30)
    assert add(settings, events[:20]).backlog_events == 20
    mixed = [events[25], *reversed(events[5:15]), events[5], events[26]]
    assert add(settings, mixed).backlog_events == 22
    assert queue.xlen(keys.stream(0)) == queue.hlen(keys.ids(0)) == 22
    assert state(queue)["accepted"] == "22"
    assert_balanced(queue)


def test_what_is_removed_balances_and_may_come_again(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    events = make_events(10)
    add(settings, events)
    add(settings, [*events[3:7], *events[:3]])
    lease = ShardLease(queue, 0, LEASE_MS)
    assert lease.acquire(0)
    batch = lease.read(100, MUCH)
    assert batch is not None
    assert len(batch.events) == 10
    lease.acknowledge(batch)
    assert (state(queue)["accepted"], state(queue)["trimmed"]) == ("10", "10")
    assert state(queue).get("foreign", "0") == "0"
    assert add(settings, events[4:6]).backlog_events == 2
    assert_balanced(queue)


def test_more_ids_than_one_command_takes_are_each_asked_for(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    events = make_events(5_000)
    add(settings, events[1_000:4_000])
    assert add(settings, events).backlog_events == 5_000
    assert_balanced(queue)


def test_of_many_ids_those_that_wait_are_known(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    events = make_events(5_000)
    waiting = [*events[:3], *events[1_998:2_003], *events[4_999:]]
    add(settings, waiting)

    async def known() -> set[bytes]:
        producer = QueueProducer(connect_async(settings.queue_url), shards=2)
        try:
            return await producer.known([id_bytes(event) for event in events])
        finally:
            await producer.close()

    assert asyncio.run(known()) == {id_bytes(event) for event in waiting}
