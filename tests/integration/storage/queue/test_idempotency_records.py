"""The records of idempotency keys on the queue: bounded in number, gone after their time."""

from collections.abc import Iterator

import pytest

from storage.errors import KeysFull
from storage.model.event import encode_event, now_ms
from storage.queue import producer as producer
from storage.queue.producer import (
    Appended,
    BacklogLimits,
    Duplicate,
    IdempotencyRecord,
    QueueProducer,
)
from storage.redis import keys
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support.queued import id_bytes, make_event
from tests.support.reading import Reader, reader

SHARDS = 1
MAX_KEYS = 2
ANSWER = b"answer"


@pytest.fixture
def read(settings: StorageSettings) -> Iterator[Reader]:
    with reader(settings) as reading:
        yield reading


def post(read: Reader, name: bytes) -> Appended | Duplicate:
    """Append one event under the key of that name, as the API does."""
    producer = QueueProducer(read.producer._client, SHARDS, BacklogLimits(keys=MAX_KEYS))
    event = make_event()
    once = IdempotencyRecord(name.ljust(16), b"f" * 16, ANSWER)
    items = [id_bytes(event), encode_event(event)]
    return read.run(producer.append_idempotent(once, now_ms(), items))


def remembered(read: Reader) -> int:
    return read.queue.zcard(keys.idempotency_expiry(0))


def test_new_keys_are_refused_while_as_many_as_allowed_are_remembered(read: Reader) -> None:
    for name in (b"first", b"second"):
        assert isinstance(post(read, name), Appended)
    with pytest.raises(KeysFull):
        post(read, b"third")
    assert isinstance(post(read, b"first"), Duplicate), "a known key needs no room"


def test_expired_keys_make_room_for_new_ones(read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer, "IDEMPOTENCY_TTL_MS", 1)
    for name in (b"first", b"second"):
        post(read, name)
    monkeypatch.undo()
    wait_until(lambda: not list(read.queue.scan_iter("events:{0}:once:*")), "the records to expire")
    assert isinstance(post(read, b"third"), Appended)
    assert remembered(read) == 1, "expired keys must leave the set"
