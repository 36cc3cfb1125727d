"""An append that fails midway leaves nothing: no record of a key, no event, no count."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from storage.errors import ShardUnusable
from storage.model.event import encode_event, now_ms
from storage.queue.producer import Appended, Duplicate, IdempotencyRecord, QueueProducer
from storage.redis import keys
from storage.redis.client import connect_async
from storage.settings import StorageSettings
from tests.support.queued import assert_balanced, id_bytes, make_events
from tests.support.reading import Reader, reader

EVENTS = 3
ANSWER = b"answer"
LAST = "18446744073709551615-18446744073709551615"
NEAR_LAST = "18446744073709551615-18446744073709551613"  # room for two events more
ONCE = IdempotencyRecord(b"key".ljust(16), b"f" * 16, ANSWER)
WRITES_OF_ALL = ("xadd", "hset", "hincrby", "hsetnx")


@pytest.fixture
def read(settings: StorageSettings) -> Iterator[Reader]:
    with reader(settings) as reading:
        yield reading


@contextmanager
def user_without(command: str, settings: StorageSettings, queue: redis.Redis) -> Iterator[str]:
    """Return the queue's address for a user who may do everything but that."""
    words = ["on", ">secret", "~*", "+@all", f"-{command}"]
    queue.execute_command("ACL", "SETUSER", "lacking", "reset", *words)  # type: ignore[no-untyped-call]
    try:
        yield f"{settings.queue_url}&username=lacking&password=secret"
    finally:
        queue.execute_command("ACL", "DELUSER", "lacking")  # type: ignore[no-untyped-call]


def items() -> list[bytes]:
    events = make_events(EVENTS)
    return [part for event in events for part in (id_bytes(event), encode_event(event))]


async def append(url: str, request: list[bytes], once: bool) -> Appended | Duplicate:
    client = connect_async(url)
    try:
        producer = QueueProducer(client, 1)
        if once:
            return await producer.append_idempotent(ONCE, now_ms(), request)
        await producer.announce()
        return await producer.append(0, now_ms(), request)
    finally:
        await client.aclose()


def assert_nothing_left(queue: redis.Redis) -> None:
    assert not queue.exists(keys.idempotency_record(0, ONCE.key)), "a record without its events"
    assert queue.xlen(keys.stream(0)) == 0
    assert queue.hlen(keys.ids(0)) == 0
    assert_balanced(queue)


def assert_a_retry_appends_once(read: Reader, settings: StorageSettings, once: bool) -> None:
    request = items()
    assert isinstance(read.run(append(settings.queue_url, request, once)), Appended)
    read.run(append(settings.queue_url, request, once))
    assert read.queue.xlen(keys.stream(0)) == EVENTS
    assert_balanced(read.queue)


@pytest.mark.parametrize(
    ("command", "once"),
    [(command, False) for command in WRITES_OF_ALL]
    + [(command, True) for command in (*WRITES_OF_ALL, "zadd", "set")],
)
def test_a_queue_that_refuses_a_command_appends_nothing_and_a_retry_appends_once(
    read: Reader, settings: StorageSettings, command: str, once: bool
) -> None:
    with user_without(command, settings, read.queue) as url, pytest.raises(ShardUnusable):
        read.run(append(url, items(), once))
    assert_nothing_left(read.queue)
    assert_a_retry_appends_once(read, settings, once)


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("last", [LAST, NEAR_LAST])
def test_a_stream_without_ids_left_appends_nothing_and_a_retry_appends_once(
    read: Reader, settings: StorageSettings, last: str, once: bool
) -> None:
    read.queue.xadd(keys.stream(0), {"e": "x"}, id=last)
    read.queue.xdel(keys.stream(0), last)
    with pytest.raises(ShardUnusable, match="last possible ID"):
        read.run(append(settings.queue_url, items(), once))
    assert_nothing_left(read.queue)
    read.queue.delete(keys.stream(0))
    assert_a_retry_appends_once(read, settings, once)


def spoil(queue: redis.Redis, spoilt: str) -> str:
    """Give a key another type, or a counter another value; the key to delete later."""
    key, _, field = spoilt.partition(" ")
    if field:
        queue.hset(key, field, "no number")
    elif key.endswith("once"):
        queue.set(key, "no zset")
    elif key.endswith("}"):
        queue.set(key, "no stream")
    else:
        queue.set(key, "no hash")
    return key


SPOILT = [
    keys.stream(0),
    keys.ids(0),
    keys.state(0),
    *(f"{keys.state(0)} {field}" for field in ("accepted", "bytes", "gen")),
]


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_spoilt_key_of_the_shard_appends_nothing_and_a_retry_appends_once(
    read: Reader, settings: StorageSettings, spoilt: str, once: bool
) -> None:
    key = spoil(read.queue, spoilt)
    with pytest.raises(ShardUnusable):
        read.run(append(settings.queue_url, items(), once))
    read.queue.delete(key)
    assert_nothing_left(read.queue)
    assert_a_retry_appends_once(read, settings, once)


def test_a_spoilt_set_of_records_writes_no_record(read: Reader, settings: StorageSettings) -> None:
    key = spoil(read.queue, keys.idempotency_expiry(0))
    with pytest.raises(ShardUnusable):
        read.run(append(settings.queue_url, items(), once=True))
    read.queue.delete(key)
    assert_nothing_left(read.queue)
    assert_a_retry_appends_once(read, settings, once=True)
