"""The end of a cache write wakes those who wait for stored events; nothing depends on it."""

from collections.abc import Iterator

import pytest
import redis

from storage.cache import tags
from storage.cache.invalidation import CacheInvalidator
from storage.redis import keys
from storage.settings import StorageSettings
from tests.support.queued import make_event

CHANGED = tags.of_events([make_event()])


@pytest.fixture
def control(settings: StorageSettings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.control_url) as client:
        yield client


@pytest.mark.parametrize("writer", [3, "replay"])
def test_the_end_of_a_write_tells_who_has_stored(control: redis.Redis, writer: int | str) -> None:
    with control.pubsub(ignore_subscribe_messages=True) as listener:  # type: ignore[no-untyped-call]
        listener.subscribe(keys.STORED_CHANNEL)
        listener.get_message(timeout=30)  # of the subscription
        invalidator = CacheInvalidator(control)
        invalidator.begin_write(writer, 0, CHANGED, 1)
        invalidator.end_write(writer, 0, CHANGED, 1)
        message = listener.get_message(timeout=30)
    assert message is not None
    assert message["data"] == str(writer).encode()


def test_a_user_who_may_not_publish_ends_the_write_all_the_same(
    control: redis.Redis, settings: StorageSettings
) -> None:
    acl = ("mute", "on", ">p", "allkeys", "+@all", "-publish")
    control.execute_command("ACL", "SETUSER", *acl)  # type: ignore[no-untyped-call]
    try:
        with redis.Redis.from_url(f"{settings.control_url}&username=mute&password=p") as mute:
            invalidator = CacheInvalidator(mute)
            invalidator.begin_write(0, 0, CHANGED, 1)
            assert control.zcard(keys.PENDING_WRITERS) == 1
            invalidator.end_write(0, 0, CHANGED, 1)
    finally:
        control.execute_command("ACL", "DELUSER", "mute")  # type: ignore[no-untyped-call]
    assert control.zcard(keys.PENDING_WRITERS) == 0
    assert control.hget(keys.GENERATIONS, "all") == b"1"
