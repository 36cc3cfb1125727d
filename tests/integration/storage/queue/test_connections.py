"""A call that fails in an outage gives its connection back to the pool, which is bounded."""

import asyncio

import pytest

from storage.errors import QueueUnavailable
from storage.queue.producer import QueueProducer
from storage.redis.client import connect_async
from storage.settings import StorageSettings
from tests.support.queued import make_events
from tests.support.relayed import relayed_servers


def test_a_search_for_events_that_fails_in_an_outage_keeps_no_connection(
    settings: StorageSettings,
) -> None:
    ids = [bytes.fromhex(event.id.replace("-", "")) for event in make_events(1)]

    async def find_around_an_outage() -> None:
        with relayed_servers(settings) as servers:
            client = connect_async(servers.settings.queue_url, connections=1)
            producer = QueueProducer(client, settings.shards)
            assert await producer.find(ids) == {}
            servers.take_away("queue")
            with pytest.raises(QueueUnavailable):
                await producer.find(ids)
            servers.bring_back("queue")
            assert await producer.find(ids) == {}
            await client.aclose()

    asyncio.run(find_around_an_outage())
