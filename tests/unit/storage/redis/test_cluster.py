"""What a call to a cluster costs beside one to a server: counts, without a clock."""

import asyncio
from typing import Any, cast

import redis.asyncio.cluster

from storage.redis.client import connect_async
from storage.redis.cluster import AsyncCluster
from storage.redis.script_runner import run

NAMES = ["events:{0-310}", "events:{0-310}:state"]


def test_a_script_asks_once_which_node_has_its_keys() -> None:
    class Node(redis.asyncio.cluster.ClusterNode):
        async def execute_command(self, *command: Any, **_: Any) -> str:
            sent.append(command)
            return "answer"

    async def answer() -> Any:
        client = connect_async("redis+cluster://127.0.0.1:1")
        cluster = cast(AsyncCluster, client)
        node = Node("127.0.0.1", 1)
        slot_of = cluster.keyslot
        cluster.nodes_manager.default_node = node
        cluster.nodes_manager.slots_cache = {slot_of(NAMES[0]): [node]}
        cluster._initialize = False  # the slots are known
        cluster.keyslot = lambda key: asked.append(key) or slot_of(key)  # type: ignore
        try:
            return await run(client, "queue/clock", NAMES)
        finally:
            cluster._initialize = True

    sent: list[Any] = []
    asked: list[Any] = []
    assert asyncio.run(answer()) == "answer"
    assert (asked, len(sent)) == (NAMES[:1], 1)
