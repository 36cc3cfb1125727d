"""Calls to the primary of a cluster that has a key's slot, for those who must know how they failed.

redis-py repeats a call whose answer it has lost, and then tells only how the last attempt ended.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import redis.asyncio.cluster
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterError,
    ConnectionError,
    MovedError,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from storage.redis.cluster import AsyncCluster
from storage.redis.connections import nothing_was_sent

REDIRECTIONS = 8
TRY_AGAIN_SECONDS = 0.05

Command = Sequence[Any]
_ASKING: Command = ("ASKING",)


async def send(client: AsyncCluster, node: Any, key: str, *commands: Command) -> list[Any]:
    """Send commands together, over one connection, to the primary that has the key; do it once.

    Return the answers; each may be an error that the server answered. `node`: which is known to
    have the key; where its slot has moved or is moving, follow it. Raises redis-py's errors.
    """
    asking: tuple[Command, ...] = ()
    async with client._room:
        for _ in range(REDIRECTIONS):
            answers = (await _pipeline(client, node, [*asking, *commands]))[len(asking) :]
            match answers[0]:
                case MovedError() as moved:
                    await client.nodes_manager.move_slot(moved)
                    node, asking = client.get_node_from_key(key), ()
                case AskError() as ask:
                    node, asking = client.get_node(node_name=f"{ask.host}:{ask.port}"), (_ASKING,)
                case TryAgainError():
                    await asyncio.sleep(TRY_AGAIN_SECONDS)
                case _:
                    return answers
    raise ClusterError("its keys are in two places")


def wrote_nothing(error: RedisError) -> bool:
    """Return whether a script that failed with this error has surely written nothing.

    Scripts that write all or nothing are refused before their first write: by NOREPLICAS,
    READONLY, OOM, CLUSTERDOWN and other answers.
    """
    refused = ResponseError, ClusterError, BusyLoadingError
    return isinstance(error, refused) or nothing_was_sent(error)


async def _pipeline(client: AsyncCluster, node: Any, commands: Sequence[Command]) -> list[Any]:
    sent = [redis.asyncio.cluster.PipelineCommand(n, *each) for n, each in enumerate(commands)]
    try:
        await node.execute_pipeline(sent)
        for each in sent:
            if isinstance(each.result, ConnectionError | TimeoutError):
                raise each.result
    except (ConnectionError, TimeoutError):
        # What redis-py does with the connections of a node that failed.
        node.update_active_connections_for_reconnect()
        await node.disconnect_free_connections()
        raise
    return [each.result for each in sent]
