"""With awaited replicas, what a former primary still tells counts only if the new one knows it."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import redis.asyncio

from storage.model.event import encode_event, now_ms
from storage.queue.producer import IdempotencyRecord, QueueProducer
from storage.redis.client import connect_async
from storage.redis.script_runner import Argument, run
from storage.settings import StorageSettings
from testbed.valkey import one_server
from tests.support.queued import make_event

SHARDS = 2
RECORD = IdempotencyRecord(b"k" * 16, b"f" * 16, b"answer")


class NewPrimary:
    """Runs what must be confirmed on the server that has taken the first one's place."""

    count = 1

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def run(self, script: str, names: Sequence[str], args: Iterable[Argument]) -> Any:
        return await run(self._client, script, names, args)

    async def close(self) -> None:
        await self._client.aclose()


def test_neither_a_key_nor_an_import_is_known_that_only_the_former_primary_has(
    settings: StorageSettings,
) -> None:
    event = make_event()
    raw_id = UUID(event.id).bytes
    items = [raw_id, encode_event(event)]

    async def known(new: str) -> None:
        before = QueueProducer(connect_async(settings.queue_url), SHARDS)
        replicas = NewPrimary(connect_async(new))
        after = QueueProducer(connect_async(settings.queue_url), SHARDS, replicas=replicas)
        try:
            await before.append_idempotent(RECORD, now_ms(), items)
            assert await before.find_duplicate(RECORD) is not None
            assert await before.known([raw_id]) == {raw_id}
            assert await after.find_duplicate(RECORD) is None
            assert await after.known([raw_id]) == set()
            await after.append_idempotent(RECORD, now_ms(), items)
            assert await after.find_duplicate(RECORD) is not None
            assert await after.known([raw_id]) == {raw_id}
        finally:
            await before.close()
            await after.close()

    with one_server() as new:
        asyncio.run(known(f"redis://127.0.0.1:{new.port}/0"))
