"""Appending imported events on the real server: the same ids may come again in any order."""

import asyncio
from collections.abc import Sequence

import redis

from storage.model.event import Event, encode_event, now_ms
from storage.queue.lease import ShardLease
from storage.queue.producer import MAX_AGE_MS, Appended, QueueProducer
from storage.redis import keys
from storage.redis.client import connect_async
from storage.settings import StorageSettings
from tests.support import queue_scripts
from tests.support.queue_scripts import LEASE_MS, MUCH
from tests.support.queued import (
    append,
    assert_balanced,
    id_bytes,
    make_event,
    make_events,
    state,
)

DAY_MS = 86_400_000

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

    assert known(settings, events) == {id_bytes(event) for event in waiting}


def known(settings: StorageSettings, events: Sequence[Event]) -> set[bytes]:
    """Ask two shards which of these events are queued."""

    async def run() -> set[bytes]:
        producer = QueueProducer(connect_async(settings.queue_url), shards=2)
        try:
            return await producer.known([id_bytes(event) for event in events])
        finally:
            await producer.close()

    return asyncio.run(run())


def of_day(day: int, count: int = 3) -> list[Event]:
    """Make events of a day of the past, counted from 1970."""
    return [make_event(ms=day * DAY_MS + number) for number in range(count)]


def test_imported_events_are_known_whatever_the_order_of_their_times(
    settings: StorageSettings,
) -> None:
    added: list[Event] = []
    for day in (500, 100, 900, 300):
        events = of_day(day)
        assert known(settings, events) == set()
        add(settings, events)
        added += events
        assert known(settings, events) == set(map(id_bytes, events))
        assert known(settings, added) == set(map(id_bytes, added))
        assert known(settings, of_day(day + 1)) == set()


def test_a_posted_event_that_waits_is_known_beside_old_ones(settings: StorageSettings) -> None:
    posted = make_event()
    append(settings, [posted])
    add(settings, of_day(100))
    assert known(settings, [posted, *of_day(200)]) == {id_bytes(posted)}


def test_a_posted_event_that_is_older_than_its_entry_is_known(settings: StorageSettings) -> None:
    posted = make_event(ms=now_ms() - MAX_AGE_MS + 5_000)
    append(settings, [posted], oldest_ms=now_ms() - MAX_AGE_MS + 5_000)
    assert known(settings, [posted]) == {id_bytes(posted)}


def test_a_posted_event_is_known_when_the_ids_of_the_stream_are_ahead(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    posted = make_event()
    queue.xadd(keys.stream(0), {"e": b"another's"}, id=f"{now_ms() + DAY_MS}-0")
    queue.xtrim(keys.stream(0), maxlen=0)
    append(settings, [posted])
    assert known(settings, [posted]) == {id_bytes(posted)}


def test_a_shard_of_a_wrong_type_does_not_hide_what_the_others_have(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    events = of_day(100)
    add(settings, events)
    queue.set(keys.stream(1), "a text")
    queue.set(keys.state(1), "a text")
    assert known(settings, events) == set(map(id_bytes, events))


def test_times_of_an_import_that_was_stored_are_forgotten(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    add(settings, of_day(100))
    lease = ShardLease(queue, 0, LEASE_MS)
    assert lease.acquire(0)
    batch = lease.read(100, MUCH)
    assert batch is not None
    lease.acknowledge(batch)
    later = of_day(200)
    add(settings, later)
    first, last = (int(state(queue)[f"imported_{end}"]) for end in ("from", "to"))
    assert (first, last) == (200 * DAY_MS, 200 * DAY_MS + len(later) - 1)


def test_a_server_that_knows_no_script_is_asked_all_the_same(
    settings: StorageSettings, queue: redis.Redis
) -> None:
    events = of_day(100)
    add(settings, events)
    queue.script_flush()
    assert known(settings, events) == set(map(id_bytes, events))
    queue.script_flush()

    async def run() -> dict[bytes, bytes]:
        producer = QueueProducer(connect_async(settings.queue_url), shards=1)
        try:
            assert await producer.watermark_ms() <= now_ms()
            queue.script_flush()
            return await producer.find(list(map(id_bytes, events)))
        finally:
            await producer.close()

    assert asyncio.run(run()) == {id_bytes(event): encode_event(event) for event in events}
