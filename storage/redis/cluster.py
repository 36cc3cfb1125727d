"""Clients of a queue on a cluster: redis-py's own, with what they lack for slots that move.

Both connect with their first command, and every error of redis-py is a `RedisError`, as with other
clients. They send no command to replicas.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.cluster
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, parse_url
from redis.exceptions import ConnectionError, RedisClusterException
from redis.retry import Retry

from storage.redis.connections import CONNECTIONS
from storage.redis_hosts import RedisHosts

# redis-py has no types for these.
_NODE: Any = redis.cluster.ClusterNode
_PARSE: Any = parse_url

CALLS = 80  # at once; redis-py makes up to 100 connections to a node
RETRIES = 1  # with the slots as they are after the failure


@contextmanager
def _redis_errors() -> Iterator[None]:
    try:
        yield
    except RedisClusterException as error:  # no RedisError
        raise ConnectionError(str(error)) from error


class Cluster(redis.RedisCluster):
    """A client for threads. redis-py's connects when it is made."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._connecting = threading.RLock()
        self._is_begun = self._is_connected = False

    def connect(self) -> None:
        """Learn the slots, once. Raises redis-py's errors."""
        with self._connecting, _redis_errors():
            if self._is_begun:  # by this thread: redis-py sends commands to be made
                return
            self._is_begun = True
            try:
                super().__init__(**self._options)
                self._is_connected = True
            finally:
                self._is_begun = self._is_connected

    def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Send a command, or learn the slots first. Raises redis-py's errors."""
        if not self._is_connected:
            self.connect()
        with _redis_errors():
            return super().execute_command(*args, **kwargs)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close the connections."""
        if self._is_connected:
            super().close()

    def get_node(self, host: Any = None, port: Any = None, node_name: Any = None) -> Any:
        """Return a node, also the one that an ASK names and that has no slot yet.

        redis-py knows none without slots, and fails with another error than its own (its issue
        4015).
        """
        found = super().get_node(host, port, node_name)  # type: ignore[no-untyped-call]
        if found is None and node_name:
            found = _NODE(*_address(node_name), redis.cluster.PRIMARY)
            self.nodes_manager.nodes_cache[node_name] = found
        return found


class AsyncCluster(redis.asyncio.RedisCluster):
    """A client for the event loop, with the connections of this service.

    Of more than CALLS calls the later ones wait: redis-py fails where a node has no connection
    left.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._room = asyncio.Semaphore(CALLS)
        ours = CONNECTIONS[self.connection_kwargs["connection_class"]]
        self.connection_kwargs["connection_class"] = ours  # of nodes that it learns of
        for node in self.startup_nodes:
            node.connection_class = ours

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Send a command, or learn the slots first. Raises redis-py's errors."""
        async with self._room:
            with _redis_errors():
                return await super().execute_command(*args, **kwargs)

    def get_node(self, host: Any = None, port: Any = None, node_name: Any = None) -> Any:
        """Return a node; one that an ASK names, also without slots, as `_Asked`."""
        found = super().get_node(host, port, node_name)
        if not node_name:
            return found
        if found is None:
            found = redis.asyncio.cluster.ClusterNode(
                *_address(node_name), redis.cluster.PRIMARY, **self.connection_kwargs
            )
            self.nodes_manager.nodes_cache[node_name] = found
        return _Asked(found)


class _Asked:
    """A node that an ASK names: takes ASKING and the command over one connection.

    redis-py sends ASKING over any of its connections, and the command over another.
    """

    def __init__(self, node: Any) -> None:
        self._node = node

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    async def execute_command(self, *args: Any, asking: bool = False, **kwargs: Any) -> Any:
        if args == ("ASKING",):
            return b"OK"  # it goes with the command
        command = redis.asyncio.cluster.PipelineCommand
        sent = [command(0, "ASKING"), command(1, *args, **kwargs)]
        await self._node.execute_pipeline(sent)
        if isinstance(sent[1].result, Exception):
            raise sent[1].result
        return sent[1].result


def connect_cluster(hosts: RedisHosts, limits: dict[str, Any]) -> redis.Redis:
    """Return a client for threads. `limits`: timeouts of its connections."""
    nodes = [_NODE(*each) for each in hosts.hosts]
    options = _options(hosts) | limits | {"retry": Retry(NoBackoff(), RETRIES)}
    return cast(redis.Redis, Cluster(startup_nodes=nodes, **options))


def connect_cluster_async(hosts: RedisHosts, limits: dict[str, Any]) -> redis.asyncio.Redis:
    """Return a client for the event loop. `limits`: timeouts of its connections."""
    nodes = [redis.asyncio.cluster.ClusterNode(*each) for each in hosts.hosts]
    options = _options(hosts) | limits | {"retry": AsyncRetry(NoBackoff(), RETRIES)}
    options["reinitialize_steps"] = 0  # a slot that has moved must not end other callers' calls
    return cast(redis.asyncio.Redis, AsyncCluster(startup_nodes=nodes, **options))


def is_cluster(client: Any) -> bool:
    """Return whether this is a client of a cluster."""
    return isinstance(client, Cluster | AsyncCluster)


def read_blocking(client: redis.Redis, stream: str, wait_ms: int) -> Any:
    """Return the first entry of a stream; wait for it up to `wait_ms`. Raises redis-py's errors.

    A client of a cluster would ask any server where XREAD has its keys; so the primary is named.
    """
    if not isinstance(client, Cluster):
        return client.xread({stream: "0-0"}, count=1, block=wait_ms)
    client.connect()
    with _redis_errors():
        node = client.get_node_from_key(stream)
    words = ("XREAD", "COUNT", 1, "BLOCK", wait_ms, "STREAMS", stream, "0-0")
    return client.execute_command(*words, target_nodes=node)


def primaries(client: redis.Redis) -> list[tuple[str, int]]:
    """Return where the primaries are, for a client of a cluster. Raises redis-py's errors."""
    cluster: Any = client
    cluster.connect()
    return [(str(each.host), int(each.port)) for each in cluster.get_primaries()]


async def ask_primaries(client: redis.asyncio.Redis, *command: Any) -> list[Any]:
    """Return each primary's answer to a command, or its error. Raises redis-py's errors.

    `client` is one of a cluster.
    """
    cluster = cast(AsyncCluster, client)
    with _redis_errors():
        await cluster.initialize()
    return await asyncio.gather(
        *(cluster.execute_command(*command, target_nodes=each) for each in cluster.get_primaries()),
        return_exceptions=True,
    )


async def learn_slots(client: redis.asyncio.Redis, failed: str) -> None:
    """Ask a node who has which slot now; of all nodes the `failed` one last.

    `client` is one of a cluster. Raises redis-py's errors.
    """
    cluster = cast(AsyncCluster, client)
    cluster.nodes_manager.move_node_to_end_of_cached_nodes(failed)  # the first one is asked more
    with _redis_errors():
        await cluster.nodes_manager.initialize(last_failed_node_name=failed)


async def node_of(client: redis.asyncio.Redis, key: str) -> Any:
    """Return the primary that has the key, for a client of a cluster. Raises redis-py's errors."""
    cluster = cast(AsyncCluster, client)
    with _redis_errors():
        await cluster.initialize()
        return cluster.get_node_from_key(key)


def _address(node_name: str) -> tuple[str, int]:
    host, _, port = node_name.rpartition(":")
    return host, int(port)


def _options(hosts: RedisHosts) -> dict[str, Any]:
    """Return redis-py's options for each node: login and TLS."""
    found = dict(_PARSE(hosts.of_server(*hosts.hosts[0])))
    is_encrypted = found.pop("connection_class", None) is SSLConnection
    options = {k: v for k, v in found.items() if k not in ("host", "port", "db")}
    return {**options, "ssl": is_encrypted, "require_full_coverage": False}
