"""Break a queue of several servers; each fault ends once all of them have their roles again."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from redis.crc import key_slot

from storage.redis import keys
from testbed.cluster import ClusterNodes
from testbed.valkey import Node
from tests.faults.chaos.outside import Outside
from tests.faults.chaos.stack import Stack

WHOLE_SECONDS = 120
MOVING_SECONDS = 0.5


@contextmanager
def kill_primary(stack: Stack, rng: Random) -> Iterator[str]:
    """Kill a primary, and start it again after its replica has taken its place."""
    with _failing_over(stack) as queue:
        primary = _a_primary(queue, rng)
        primary.kill()
        try:
            yield _name(primary)
        finally:
            primary.start()


@contextmanager
def pause_primary(stack: Stack, rng: Random) -> Iterator[str]:
    """Pause a primary until a replica has its place; it wakes up, and its clients are there."""
    with _failing_over(stack) as queue:
        primary = _a_primary(queue, rng)
        primary.pause()
        try:
            yield _name(primary)
        finally:
            primary.resume()


@contextmanager
def cut_off_primary(stack: Stack, rng: Random) -> Iterator[str]:
    """Cut a primary off from its replicas, and from who watches it; its clients still reach it."""
    with _failing_over(stack) as queue:
        primary = _a_primary(queue, rng)
        with queue.servers.cut_off(primary):
            yield _name(primary)


@contextmanager
def cut_connections(stack: Stack, rng: Random) -> Iterator[str]:
    """End the connections of all clients to a primary; new ones are accepted."""
    queue = _outside(stack)
    primary = _a_primary(queue, rng)
    yield f"{primary.ask('CLIENT', 'KILL', 'TYPE', 'normal')} of {_name(primary)}"


@contextmanager
def move_slot(stack: Stack, rng: Random) -> Iterator[str]:
    """Move the slot of a shard to another primary, with its events."""
    with _failing_over(stack) as queue:
        nodes = queue.servers
        assert isinstance(nodes, ClusterNodes)
        shard = rng.randrange(len(stack.shards()))
        slot = key_slot(keys.stream(keys.ON_CLUSTER[shard]).encode())
        source = nodes.primary_of(slot)
        target = rng.choice([each for each in nodes.primaries() if each is not source])
        nodes.begin_move(slot, target)
        yield f"shard {shard} to {_name(target)}"
        nodes.move_keys(slot, target)
        stack.hold(MOVING_SECONDS)
        nodes.end_move(slot, target)


@contextmanager
def _failing_over(stack: Stack) -> Iterator[Outside]:
    """Yield the queue; return once every server has its role again."""
    queue = _outside(stack)
    yield queue
    stack.wait(queue.is_whole, "every server of the queue to have its role", WHOLE_SECONDS)


def _outside(stack: Stack) -> Outside:
    assert stack.outside
    return stack.outside


def _a_primary(queue: Outside, rng: Random) -> Node:
    return rng.choice(queue.servers.primaries())


def _name(node: Node) -> str:
    return f"the server of port {node.port}"
