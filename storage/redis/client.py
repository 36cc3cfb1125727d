"""Redis clients with explicit timeouts and retries, for both servers.

redis-py's defaults are a timeout of 5 s and ten retries: callers would wait long without knowing
it, and commands would be repeated that must not be.
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
    """Return a client for threads. It connects with its first command."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=answer_seconds,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=15,
    )


PART = 512  # arguments joined at once, so that a large command is never in memory twice


class _Packed:
    """Mixin that packs a command of thousands of arguments in a third of redis-py's time."""

    encoder: Any

    def pack_command(self, *args: Any) -> list[bytes]:
        encode = self.encoder.encode
        words = (*args[0].split(), *args[1:])  # a command's name may have two words
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
    """Mixin that raises redis-py's error when uvloop reports a connection reset by the server."""

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        try:
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except RuntimeError as error:
            raise ConnectionError(str(error)) from error


class _Plain(_Packed, _Reset, redis.asyncio.Connection):
    pass


class _Encrypted(_Packed, _Reset, redis.asyncio.SSLConnection):
    pass


class _Local(_Packed, redis.asyncio.UnixDomainSocketConnection):  # never reset
    pass


_CONNECTIONS: dict[Any, Any] = {
    redis.asyncio.Connection: _Plain,
    redis.asyncio.SSLConnection: _Encrypted,
    redis.asyncio.UnixDomainSocketConnection: _Local,
}


def connect_async(url: str, connections: int = 16, retries: int = 1) -> redis.asyncio.Redis:
    """Return a client for the event loop; if its pool is used up, callers wait for a connection.

    `retries`: 0 for commands that must not run twice when an answer is lost.
    """
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=ANSWER_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        # Retry once, and at once, after a lost connection; but not after a timeout: that took long
        # enough.
        retry=AsyncRetry(NoBackoff(), retries, (ConnectionError,)),
    )
    pool.connection_class = _CONNECTIONS[pool.connection_class]
    return redis.asyncio.Redis.from_pool(pool)  # closes the pool with itself
