"""Clients of the two Redis roles, every timeout and retry said out loud.

redis-py's defaults (a 5 s timeout and ten hidden retries) would make a caller wait without
knowing it, and repeat what must not be repeated blindly.
"""

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0


def connect(url: str, answer_seconds: float = ANSWER_SECONDS) -> redis.Redis:
    """A client for threads. Nothing is sent before its first command."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=answer_seconds,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=15,
    )


PART = 512  # arguments of a command that are joined at once: a large one is never there twice


class _Packed:
    """Packs a command of thousands of arguments in a third of redis-py's time."""

    encoder: Any

    def pack_command(self, *args: Any) -> list[bytes]:
        encode = self.encoder.encode
        words = (*args[0].split(), *args[1:])  # a command's name may be two
        arguments = [arg if type(arg) is bytes else encode(arg) for arg in words]
        packed = [b"*%d" % len(arguments)]
        for at in range(0, len(arguments), PART):
            part = arguments[at : at + PART]
            parts = [b""] * (2 * len(part))
            parts[0::2] = [b"\r\n$%d\r\n" % length for length in map(len, part)]
            parts[1::2] = part
            packed.append(b"".join(parts))
        packed.append(b"\r\n")
        return packed


class _Reset:
    """Says in redis-py's words what uvloop raises for a connection that the server has reset."""

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        try:
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except RuntimeError as error:
            raise ConnectionError(str(error)) from error


class _Plain(_Packed, _Reset, redis.asyncio.Connection):
    pass


class _Encrypted(_Packed, _Reset, redis.asyncio.SSLConnection):
    pass


class _Local(_Packed, redis.asyncio.UnixDomainSocketConnection):  # nothing is reset there
    pass


_OURS: dict[Any, Any] = {
    redis.asyncio.Connection: _Plain,
    redis.asyncio.SSLConnection: _Encrypted,
    redis.asyncio.UnixDomainSocketConnection: _Local,
}


def connect_async(url: str, connections: int = 16) -> redis.asyncio.Redis:
    """A client for the event loop, with a bounded pool that waits instead of failing."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=ANSWER_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        # A connection that is cut is tried once more at once; one that is silent has taken its
        # time already.
        retry=AsyncRetry(NoBackoff(), 1, (ConnectionError,)),
    )
    pool.connection_class = _OURS[pool.connection_class]
    return redis.asyncio.Redis.from_pool(pool)  # closes the pool with itself
