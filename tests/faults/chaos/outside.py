"""A queue of several servers outside of `activity up`: a cluster, or a set under Sentinels."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import redis

from testbed.cluster import ClusterNodes, cluster_nodes
from testbed.sentinels import SentinelSet, sentinel_set

SERVER, CLUSTER, SENTINEL = "server", "cluster", "sentinel"
QUEUES = (SERVER, CLUSTER, SENTINEL)


@dataclass(frozen=True)
class Outside:
    """Such a queue, and how many of its replicas must confirm an event."""

    servers: ClusterNodes | SentinelSet
    replicas: int

    def environment(self) -> Mapping[str, str]:
        """Return the settings of the processes that use it."""
        return {
            "ACTIVITY_QUEUE_URL": self.servers.url,
            "ACTIVITY_QUEUE_REPLICAS": str(self.replicas),
        }

    def is_whole(self) -> bool:
        """Return whether every server answers and has its role."""
        try:
            return self.servers.is_whole()
        except redis.RedisError:
            return False


@contextmanager
def outside_queue(kind: str, replicas: int) -> Iterator[Outside | None]:
    """Run the queue of this kind for the block; None for the one of `activity up`."""
    if kind == CLUSTER:
        with cluster_nodes() as nodes:
            yield Outside(nodes, replicas)
    elif kind == SENTINEL:
        with sentinel_set() as found:
            yield Outside(found, replicas)
    else:
        yield None
