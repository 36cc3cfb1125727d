"""A server that does not know a script, as after a restart, is sent it: by each kind of client."""

import asyncio
from collections.abc import Iterator

import pytest
import redis
import redis.asyncio

from storage.redis import keys
from storage.redis.client import connect, connect_async
from storage.redis.script_runner import run
from testbed.servers import TestServers
from tests.support.own_queue import own_queue

SHARD = [keys.state(0), keys.stream(0)]
IDLE = [0, 0]


@pytest.fixture
def url(servers: TestServers) -> Iterator[str]:
    found = servers.settings().queue_url
    with connect(found) as client:
        client.flushall()
        yield found


def wake(client: redis.Redis) -> object:
    return run(client, "queue/wake", SHARD, [1000, 0])


async def wake_async(client: redis.asyncio.Redis) -> object:
    return await run(client, "queue/wake", SHARD, [1000, 0])


def test_a_client_for_threads_sends_a_script_that_is_not_known(url: str) -> None:
    with connect(url) as client:
        for _ in range(2):
            client.script_flush()
            assert wake(client) == IDLE


def test_an_asyncio_client_sends_a_script_that_is_not_known(url: str) -> None:
    async def scenario() -> None:
        async with connect_async(url) as client:
            for _ in range(2):
                await client.script_flush()
                assert await wake_async(client) == IDLE

    asyncio.run(scenario())


def test_a_pipeline_sends_scripts_that_are_not_known(url: str) -> None:
    async def scenario() -> None:
        async with connect_async(url) as client:
            for _ in range(2):
                await client.script_flush()
                pipe = client.pipeline(transaction=False)
                await wake_async(pipe)
                await run(pipe, "queue/inspect", [*SHARD, keys.ids(0)])
                woken, inspected = await pipe.execute()
                assert woken == IDLE
                assert inspected[0] == 0

    asyncio.run(scenario())


def test_a_known_script_is_run_by_its_digest_alone(url: str) -> None:
    with connect(url) as client:
        wake(client)
        client.config_resetstat()
        assert wake(client) == IDLE
        calls = client.info("commandstats")
        assert calls["cmdstat_evalsha"]["calls"] == 1
        assert not {"cmdstat_eval", "cmdstat_script|load", "cmdstat_script|exists"} & calls.keys()


def test_clients_keep_running_scripts_over_a_restart_of_the_server() -> None:
    async def pipelined(client: redis.asyncio.Redis) -> list[object]:
        pipe = client.pipeline(transaction=False)
        await wake_async(pipe)
        return await pipe.execute()

    with own_queue() as queue, asyncio.Runner() as loop:
        queue.start()
        with connect(queue.url) as client:
            for_asyncio = connect_async(queue.url)
            for restarted in (False, True):
                if restarted:
                    queue.stop()
                    queue.start()
                assert wake(client) == IDLE
                assert loop.run(wake_async(for_asyncio)) == IDLE
                assert loop.run(pipelined(for_asyncio)) == [IDLE]
            loop.run(for_asyncio.aclose())
