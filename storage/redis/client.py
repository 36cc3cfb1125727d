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

from storage.redis.connections import CONNECTIONS, Pool
from storage.redis.sentinel import connect_primary, connect_primary_async
from storage.redis_hosts import redis_hosts

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0


def connect(url: str, answer_seconds: float = ANSWER_SECONDS) -> redis.Redis:
    """Return a client for threads. It connects with its first command."""
    limits: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": answer_seconds,
        "retry": Retry(NoBackoff(), 1),
        "health_check_interval": 15,
    }
    if several := redis_hosts(url):
        return connect_primary(several, limits)
    return redis.Redis.from_url(url, **limits)


def connect_async(url: str, connections: int = 16, retries: int = 1) -> redis.asyncio.Redis:
    """Return a client for the event loop; if its pool is used up, callers wait for a connection.

    `retries`: 0 for commands that must not run twice when an answer is lost.
    """
    limits: dict[str, Any] = {
        "max_connections": connections,
        "timeout": ANSWER_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        # Retry once, and at once, after a lost connection; but not after a timeout: that took long
        # enough.
        "retry": AsyncRetry(NoBackoff(), retries, (ConnectionError,)),
    }
    if several := redis_hosts(url):
        return connect_primary_async(several, limits)
    pool = Pool.from_url(url, **limits)
    pool.connection_class = CONNECTIONS[pool.connection_class]
    return redis.asyncio.Redis.from_pool(pool)  # closes the pool with itself
