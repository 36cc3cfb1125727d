"""Every private name of redis-py that `storage/redis/` uses.

`pyproject.toml` holds redis-py to the minor version that has them. Before another one is allowed,
this test says what is missing there.
"""

import asyncio

import pytest
import redis.asyncio.cluster

from storage.redis.client import connect_async

OF_A_POOL = "_available_connections _in_use_connections _in_maintenance get_available_connection"
OF_A_CONNECTION = "_reader _writer can_read encoder is_connected should_reconnect"
OF_A_CLUSTER = "connection_kwargs startup_nodes nodes_manager initialize get_node get_primaries"
OF_A_NODE = "connection_class execute_pipeline update_active_connections_for_reconnect host port"
UNDER_SENTINELS = "master_address sentinel_manager service_name"
URLS = [
    "redis://localhost/0",
    "rediss://localhost/0",
    "unix:///nowhere",
    "redis+sentinel://localhost/queue",
]


@pytest.mark.parametrize("url", URLS)
def test_redis_py_has_every_name_that_we_use_of_it(url: str) -> None:
    async def missing() -> list[str]:
        pool = connect_async(url).connection_pool
        connection = pool.make_connection()  # type: ignore[no-untyped-call]
        of_pool = [name for name in OF_A_POOL.split() if not hasattr(pool, name)]
        return of_pool + [name for name in OF_A_CONNECTION.split() if not hasattr(connection, name)]

    assert asyncio.run(missing()) == []


def test_redis_py_has_every_name_that_we_use_of_its_clients_under_sentinels() -> None:
    async def missing() -> list[str]:
        client = connect_async("redis+sentinel://localhost/queue")
        pool, pipeline = client.connection_pool, client.pipeline(transaction=False)
        of_pool = [name for name in UNDER_SENTINELS.split() if not hasattr(pool, name)]
        return of_pool + ([] if hasattr(pipeline, "connection") else ["connection"])

    assert asyncio.run(missing()) == []


def test_redis_py_has_every_name_that_we_use_of_its_clients_of_a_cluster() -> None:
    async def missing() -> list[str]:
        client = connect_async("redis+cluster://localhost")
        node = client.startup_nodes[0]  # type: ignore[attr-defined]
        of_client = [name for name in OF_A_CLUSTER.split() if not hasattr(client, name)]
        return of_client + [name for name in OF_A_NODE.split() if not hasattr(node, name)]

    assert asyncio.run(missing()) == []
    command = redis.asyncio.cluster.PipelineCommand(1, "PING", option=2)
    assert (command.args, command.kwargs, command.result) == (("PING",), {"option": 2}, None)
