"""Clients of a queue that Sentinels watch: each new connection asks them for the primary.

They are redis-py's own. After a failover the connections to the former primary end: it was killed,
or the Sentinels make it a replica and end its connections. Until then it may still take writes from
whoever kept a connection. With `min-replicas-to-write` it refuses them, and the error sends the
client to the Sentinels again.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, parse_url
from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError
from redis.retry import Retry

from storage.errors import NotReplicated
from storage.redis.connections import Packed, Pool, Prompt, Reset
from storage.redis.primary_lease import Term, Told
from storage.redis.sentinel_watch import SentinelWatch, told
from storage.redis_hosts import RedisHosts

SENTINEL_SECONDS = 1.0  # for a Sentinel to answer, then the next one is asked

# redis-py has no types for these.
_SENTINEL: Any = redis.sentinel.Sentinel
_ASYNC_SENTINEL: Any = redis.asyncio.sentinel.Sentinel
_PARSE: Any = parse_url

_NO_REPLICAS = "NOREPLICAS"
_FORMER = "the server has too few replicas: it may be the primary no more"


class _Former:
    """Mixin that leaves a primary without its replicas, as redis-py leaves one that is read-only.

    The next connection asks the Sentinels where the primary is.
    """

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            if not str(error).startswith(_NO_REPLICAS):
                raise
            self.disconnect()  # type: ignore[attr-defined]
            raise ConnectionError(_FORMER) from error


class _AsyncFormer:
    """The same for the event loop."""

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            if not str(error).startswith(_NO_REPLICAS):
                raise
            await self.disconnect()  # type: ignore[attr-defined]
            raise ConnectionError(_FORMER) from error


class _Unanswered(ConnectionError):
    """Why a Sentinel did not answer; redis-py prints the `repr`, which has no reason otherwise."""

    def __repr__(self) -> str:
        return str(self)


@contextmanager
def _reasons() -> Iterator[None]:
    try:
        yield
    except (ConnectionError, TimeoutError) as error:
        raise _Unanswered(str(error)) from error


class _Named:
    """Mixin for a client of a Sentinel: a message names its address, and not all of its options."""

    def __repr__(self) -> str:
        options = self.get_connection_kwargs()  # type: ignore[attr-defined]
        return f"{options['host']}:{options['port']}"


class _Asked(_Named, redis.Redis):
    def sentinel_masters(self) -> Any:
        with _reasons():
            return super().sentinel_masters()


class _AsyncAsked(_Named, redis.asyncio.Redis):  # type: ignore[misc]  # of redis-py's own bases
    async def sentinel_masters(self) -> Any:
        with _reasons():
            return await super().sentinel_masters()


class _Plain(_Former, redis.sentinel.SentinelManagedConnection):
    pass


class _Encrypted(_Former, redis.sentinel.SentinelManagedSSLConnection):
    pass


class _AsyncPlain(
    _AsyncFormer, Packed, Reset, Prompt, redis.asyncio.sentinel.SentinelManagedConnection
):
    pass


class _AsyncEncrypted(
    _AsyncFormer, Packed, Reset, Prompt, redis.asyncio.sentinel.SentinelManagedSSLConnection
):
    pass


class _AsyncPool(redis.asyncio.sentinel.SentinelConnectionPool, Pool):
    """The pool of connections to the primary; callers wait for one if all are in use."""

    _watch: SentinelWatch | None = None

    def watch(self) -> SentinelWatch:
        """Return what asks the Sentinels all the time, from now on."""
        if self._watch is None:
            self._watch = SentinelWatch(self.sentinel_manager.sentinels, self.service_name)
            self._watch.start()
        return self._watch

    async def leave(self) -> None:
        """End the connections, those in use once they are released."""
        self.master_address = None
        await self.disconnect(inuse_connections=False)

    async def release(self, connection: Any) -> None:
        """Take a connection back; end it if it leads to the former primary.

        redis-py ends those that nobody uses when it learns of another primary. The former one may
        answer readers for some seconds, with what it knows.
        """
        if (connection.host, connection.port) != self.master_address:
            await connection.disconnect()
        await super().release(connection)

    async def aclose(self) -> None:
        """Close the connections, and those to the Sentinels."""
        if self._watch:
            await self._watch.stop()
        await super().aclose()
        await self.sentinel_manager.aclose()


def connect_primary(hosts: RedisHosts, limits: Mapping[str, Any]) -> redis.Redis:
    """Return a client for threads. `limits`: timeouts and retries of its connections."""
    sentinel = _sentinel(hosts, **_of_primary(hosts))
    connection = _Encrypted if _is_encrypted(hosts) else _Plain
    return cast(
        redis.Redis, sentinel.master_for(hosts.service, connection_class=connection, **limits)
    )


def connect_primary_async(hosts: RedisHosts, limits: Mapping[str, Any]) -> redis.asyncio.Redis:
    """Return a client for the event loop. `limits`: those of its connections and of its pool."""
    sentinel = _ASYNC_SENTINEL([], **_of_primary(hosts))
    options = _of_sentinels(hosts, AsyncRetry(NoBackoff(), 0))
    sentinel.sentinels = [
        _AsyncAsked(host=host, port=port, **options) for host, port in hosts.hosts
    ]
    return cast(
        redis.asyncio.Redis,
        sentinel.master_for(
            hosts.service,
            connection_pool_class=_AsyncPool,
            connection_class=_AsyncEncrypted if _is_encrypted(hosts) else _AsyncPlain,
            **limits,
        ),
    )


def watch_primary(client: redis.asyncio.Redis) -> None:
    """Begin to ask the Sentinels of a client, if it has some, in the running event loop."""
    if isinstance(pool := client.connection_pool, _AsyncPool):
        pool.watch()


async def primary_term(client: redis.asyncio.Redis, connection: Any, seconds: float) -> Term | None:
    """Return the term of the only primary, to which a connection must lead, by its Sentinels.

    None, at once, for a client without Sentinels. Raises NotReplicated if they are not sure within
    so many seconds, or if the connection leads elsewhere; the next callers ask for the primary.
    """
    if not isinstance(pool := client.connection_pool, _AsyncPool):
        return None
    try:
        return await pool.watch().holder((connection.host, connection.port), seconds)
    except NotReplicated:
        await pool.leave()
        raise


def primary_address(hosts: RedisHosts) -> tuple[str, int]:
    """Return where the primary is now. Raises redis-py's errors."""
    sentinel = _sentinel(hosts)
    try:
        return cast(tuple[str, int], sentinel.discover_master(hosts.service))
    finally:
        sentinel.close()


def ask_each(hosts: RedisHosts) -> dict[str, Told | str]:
    """Return what each Sentinel tells of the primary, by its address; or why it tells nothing."""
    sentinel = _sentinel(hosts)
    try:
        return {repr(each): _told(each, hosts.service) for each in sentinel.sentinels}
    finally:
        sentinel.close()


def _told(sentinel: Any, service: str) -> Told | str:
    try:
        found = sentinel.sentinel_masters().get(service)
    except RedisError as error:
        return str(error)
    return told(found) if found else f"it watches no {service!r}"


def _sentinel(hosts: RedisHosts, **of_primary: Any) -> Any:
    sentinel = _SENTINEL([], **of_primary)
    options = _of_sentinels(hosts, Retry(NoBackoff(), 0))
    sentinel.sentinels = [_Asked(host=host, port=port, **options) for host, port in hosts.hosts]
    return sentinel


def _options(hosts: RedisHosts) -> dict[str, Any]:
    return dict(_PARSE(hosts.of_server(*hosts.hosts[0])))


def _is_encrypted(hosts: RedisHosts) -> bool:
    return _options(hosts).get("connection_class") is SSLConnection


def _of_primary(hosts: RedisHosts) -> dict[str, Any]:
    """Return the options of redis-py for the primary: login, database, TLS."""
    options = _options(hosts)
    return {k: v for k, v in options.items() if k not in ("host", "port", "connection_class")}


def _of_sentinels(hosts: RedisHosts, retry: Any) -> dict[str, Any]:
    """Return the options of redis-py for the Sentinels."""
    tls = {k: v for k, v in _options(hosts).items() if k.startswith("ssl_")}
    return {
        **tls,
        **hosts.sentinel_login,
        "ssl": _is_encrypted(hosts),
        "retry": retry,
        "socket_timeout": SENTINEL_SECONDS,
        "socket_connect_timeout": SENTINEL_SECONDS,
    }
