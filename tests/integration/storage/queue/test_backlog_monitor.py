"""Watching the backlog ends when it is told to, whatever it is doing."""

import asyncio
from random import Random

import pytest

from storage.queue import backlog_monitor
from storage.queue.backlog_monitor import BacklogMonitor
from storage.queue.inspector import Inspector
from storage.redis.client import connect_async
from storage.settings import StorageSettings


def test_it_ends_at_whatever_moment_it_is_stopped(
    settings: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_monitor, "POLL_SECONDS", 0.001)
    moments = Random(1)

    async def start_and_stop() -> None:
        client = connect_async(settings.queue_url)
        for _ in range(300):
            watch = BacklogMonitor(Inspector(client, settings.shards))
            watch.start()
            for _ in range(moments.randrange(40)):  # so many turns of the loop
                await asyncio.sleep(0)
            async with asyncio.timeout(10):
                await watch.stop()
        await client.aclose()

    asyncio.run(start_and_stop())
