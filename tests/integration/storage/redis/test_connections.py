"""Connections of the event loop's client: lent, taken back, and replaced when they are lost."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
import redis.asyncio
import uvloop
from redis.exceptions import TimeoutError

from storage.redis.client import connect, connect_async
from testbed.servers import TestServers

CALLERS = 40
STEPS = 12  # of the event loop, within which a command is answered or still under way
MANY_BYTES = 32 * 1024 * 1024  # more than a socket and its transport keep


@pytest.fixture
def url(servers: TestServers) -> Iterator[str]:
    found = servers.settings().queue_url
    with connect(found) as client:
        client.flushall()
        yield found


def run(scenario: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as in the service
        runner.run(scenario)


def pool_of(client: redis.asyncio.Redis) -> Any:
    return client.connection_pool


async def assert_echoes(client: redis.asyncio.Redis, text: str) -> None:
    assert await client.echo(text) == text.encode()


async def ids(client: redis.asyncio.Redis) -> set[int]:
    """Return the ids of the connections in the pool, each of which is idle."""
    pool = pool_of(client)
    lent = [await pool.get_connection() for _ in range(pool.max_connections)]
    found = set()
    for connection in lent:
        await connection.send_command("CLIENT ID")
        found.add(await connection.read_response())
    for connection in lent:
        await pool.release(connection)
    return found


async def until_the_loop_knows_of_the_end(client: redis.asyncio.Redis) -> None:
    async with asyncio.timeout(60):
        for connection in pool_of(client)._available_connections:
            while not await connection.can_read():  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0)


@pytest.mark.parametrize("connections", [1, 2, 3])
def test_callers_that_wait_for_a_connection_get_one_and_their_own_answer(
    url: str, connections: int
) -> None:
    async def scenario() -> None:
        async with connect_async(url, connections) as client:
            pool_of(client).timeout = 60  # the machine may be busy
            before = await ids(client)
            for _ in range(3):
                async with asyncio.TaskGroup() as callers:
                    for number in range(CALLERS):
                        callers.create_task(assert_echoes(client, str(number)))
            assert await ids(client) == before

    run(scenario())


def test_a_connection_that_the_server_has_closed_is_replaced_before_a_command_is_sent(
    url: str,
) -> None:
    async def scenario() -> None:
        async with connect_async(url, 2, retries=0) as client:
            closed = await ids(client)
            with connect(url) as other:
                for number in closed:
                    other.client_kill_filter(_id=str(number))
            await until_the_loop_knows_of_the_end(client)
            await assert_echoes(client, "a")
            assert not closed & await ids(client)

    run(scenario())


@pytest.mark.parametrize("steps", range(STEPS))
def test_the_answer_to_a_cancelled_command_reaches_nobody_else(url: str, steps: int) -> None:
    async def scenario() -> None:
        async with connect_async(url, 1, retries=0) as client:
            await assert_echoes(client, "before")
            cancelled = asyncio.create_task(client.echo("cancelled"))
            for _ in range(steps):
                await asyncio.sleep(0)
            cancelled.cancel()
            await asyncio.wait([cancelled])
            await assert_echoes(client, "after")

    run(scenario())


def test_a_server_that_stops_reading_is_not_waited_for_longer_than_the_timeout() -> None:
    async def scenario() -> None:
        connected: list[asyncio.StreamWriter] = []

        def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            connected.append(writer)

        async with await asyncio.start_server(keep, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            client = connect_async(f"redis://{host}:{port}?protocol=2", 1, retries=0)
            pool_of(client).connection_kwargs |= {
                "socket_timeout": 0.2,
                "driver_info": None,
            }  # no handshake
            with pytest.raises(TimeoutError, match="writing"):
                await client.set("key", b"x" * MANY_BYTES)
            await client.aclose()
            for writer in connected:
                writer.close()

    run(scenario())
