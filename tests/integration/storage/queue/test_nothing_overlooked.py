"""The watermark, and the shards of a larger earlier `ACTIVITY_SHARDS`: nothing is overlooked."""

from collections.abc import Iterator
from typing import cast

import pytest

from storage.errors import QueueUnavailable
from storage.queue.inspector import Inspector
from storage.queue.producer import MAX_AGE_MS
from storage.queue.scheduler import DrainScheduler
from storage.redis import keys
from storage.settings import StorageSettings
from tests.support.queued import append, id_bytes, make_event
from tests.support.reading import Reader, reader

SHARD = 2


@pytest.fixture
def read(settings: StorageSettings) -> Iterator[Reader]:
    """One API process whose setting is one shard."""
    with reader(settings.model_copy(update={"shards": 1})) as reading:
        yield reading


def test_an_event_on_a_shard_of_before_is_found_by_its_id(
    settings: StorageSettings, read: Reader
) -> None:
    event = make_event()
    append(settings, [event], SHARD)
    assert set(read.run(read.producer.find([id_bytes(event)]))) == {id_bytes(event)}


def test_an_event_on_a_shard_of_before_holds_the_watermark_back(
    settings: StorageSettings, read: Reader
) -> None:
    append(settings, [make_event()], SHARD)
    [(entry, _)] = read.queue.xrange(keys.stream(SHARD))  # type: ignore[misc]
    appended_ms = int(cast(bytes, entry).split(b"-")[0])
    assert read.run(read.producer.watermark_ms()) == appended_ms - MAX_AGE_MS


def test_nothing_created_before_the_watermark_is_appended_after_it(
    settings: StorageSettings, read: Reader
) -> None:
    watermark_ms = read.run(read.producer.watermark_ms())
    late = make_event(ms=watermark_ms - 1)
    with pytest.raises(QueueUnavailable, match="30 s older"):
        append(settings, [late], oldest_ms=watermark_ms - 1)


def test_the_backlog_of_a_shard_of_before_is_counted(
    settings: StorageSettings, read: Reader
) -> None:
    append(settings, [make_event()], SHARD)
    shards = read.run(Inspector(read.producer._client, 1).shards())
    assert [shard.backlog for shard in shards][SHARD] == 1


def test_a_drain_is_queued_for_a_shard_of_before(settings: StorageSettings, read: Reader) -> None:
    append(settings, [make_event()], SHARD)
    read.queue.hdel(keys.state(SHARD), "st", "exp")
    assert DrainScheduler(settings.queue_url, settings.control_url, 1).sweep() == 1
