"""Commands are packed as redis-py packs them, and pools keep connections to the primary only."""

import asyncio
from typing import Any
from unittest import mock

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st

from storage.redis import connections
from storage.redis.client import connect_async

NAMES = st.sampled_from(["GET", "EVALSHA", "CONFIG GET", b"XADD", b"CLIENT SETNAME"])
ARGUMENTS = st.lists(st.binary(max_size=20) | st.text(max_size=20) | st.integers() | st.floats())
URLS = [
    "redis://localhost/0",
    "rediss://localhost/0",
    "unix:///nowhere",
    "redis+sentinel://localhost/queue",
    "rediss+sentinel://localhost/queue",
]


@given(NAMES, ARGUMENTS, st.sampled_from(URLS), st.integers(0, 3))
def test_a_command_is_packed_to_the_same_bytes(
    name: str | bytes, arguments: list[bytes | str | int | float], url: str, parts: int
) -> None:
    command = (name, *arguments * parts, *[b"x"] * parts * connections.PART)
    ours = connect_async(url).connection_pool.make_connection()  # type: ignore[no-untyped-call]
    wanted = redis.asyncio.Connection().pack_command(*command)
    assert b"".join(ours.pack_command(*command)) == b"".join(wanted)


@pytest.mark.parametrize(("primary", "ends"), [(("b", 1), True), (("a", 1), False)])
def test_no_connection_to_a_former_primary_goes_back_to_the_pool(
    primary: tuple[str, int], ends: bool
) -> None:
    async def scenario() -> None:
        pool: Any = connect_async("redis+sentinel://localhost/queue").connection_pool
        connection = pool.make_connection()
        connection.host, connection.port = "a", 1
        pool._in_use_connections.add(connection)
        pool.master_address = primary
        with mock.patch.object(connection, "disconnect") as disconnected:
            await pool.release(connection)
        assert disconnected.called is ends

    asyncio.run(scenario())
