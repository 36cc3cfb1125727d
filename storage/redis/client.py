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

from storage.redis.cluster import connect_cluster, connect_cluster_async, primaries
from storage.redis.connections import CONNECTIONS, Pool
from storage.redis.sentinel import connect_primary, connect_primary_async, primary_address
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
        if several.kind == "cluster":
            return connect_cluster(several, limits)
        return connect_primary(several, limits)
    return redis.Redis.from_url(url, **limits)


def connect_async(url: str, connections: int = 16, retries: int = 1) -> redis.asyncio.Redis:
    """Return a client for the event loop; if its pool is used up, callers wait for a connection.

    `retries`: 0 for commands that must not run twice when an answer is lost.
    """
    limits: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
    }
    several = redis_hosts(url)
    if several and several.kind == "cluster":  # it has 100 connections to each node
        return connect_cluster_async(several, limits)
    limits |= {
        "max_connections": connections,
        "timeout": ANSWER_SECONDS,
        # Retry once, and at once, after a lost connection; but not after a timeout: that took long
        # enough.
        "retry": AsyncRetry(NoBackoff(), retries, (ConnectionError,)),
    }
    if several:
        return connect_primary_async(several, limits)
    pool = Pool.from_url(url, **limits)
    pool.connection_class = CONNECTIONS[pool.connection_class]
    return redis.asyncio.Redis.from_pool(pool)  # closes the pool with itself


def primary_addresses(url: str) -> list[str]:
    """Return the addresses of the servers that take commands now; `url` if it names one server.

    Raises redis-py's errors.
    """
    several = redis_hosts(url)
    if several is None:
        return [url]
    if several.kind == "sentinel":
        return [several.of_server(*primary_address(several))]
    with connect(url) as client:
        return [several.of_server(*each) for each in primaries(client)]
