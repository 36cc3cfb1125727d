"""What is said when no Sentinel tells where the primary is."""

import asyncio

import pytest
import redis

from storage.redis.client import connect, connect_async, primary_addresses

URL = "redis+sentinel://me:hunter2@127.0.0.1:1,127.0.0.1:2/queue?sentinel_password=hunter3"


def assert_told(error: BaseException) -> None:
    """Require each Sentinel's address with its reason, and none of the options."""
    said = str(error)
    for port in (1, 2):
        assert f"127.0.0.1:{port} - Error" in said
    assert "hunter" not in said
    assert "timeout" not in said


def test_an_error_names_each_sentinel_with_its_reason() -> None:
    with connect(URL) as client, pytest.raises(redis.ConnectionError) as raised:
        client.ping()
    assert_told(raised.value)
    with pytest.raises(redis.ConnectionError) as raised:
        primary_addresses(URL)
    assert_told(raised.value)


def test_an_error_on_the_event_loop_names_them_too() -> None:
    async def ping() -> None:
        client = connect_async(URL)
        try:
            await client.ping()
        finally:
            await client.aclose()

    with pytest.raises(redis.ConnectionError) as raised:
        asyncio.run(ping())
    assert_told(raised.value)
