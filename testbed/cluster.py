"""Start a cluster of Valkeys on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from testbed.ports import free_ports
from testbed.servers import data_folder
from testbed.valkey import DOWN_MS, START_SECONDS, Node, Tls, server, url_of
from testbed.waiting import wait_until

SLOTS = 16_384

_EVERY_PACKET, _NO_PACKET = -2, -1  # that other nodes send

_CLUSTER = {
    "cluster-enabled": "yes",
    "cluster-node-timeout": str(DOWN_MS),
    "cluster-require-full-coverage": "no",
    "cluster-replica-validity-factor": "0",
    "cluster-allow-replica-migration": "no",
    "cluster-announce-ip": "127.0.0.1",
    "enable-debug-command": "local",
}


@dataclass
class ClusterNodes:
    """The nodes of a cluster: each primary has one replica, or none has."""

    nodes: list[Node]
    count: int  # of primaries

    @property
    def url(self) -> str:
        """Return the address for `ACTIVITY_QUEUE_URL`."""
        return url_of("cluster", self.nodes[:3])

    def primaries(self) -> list[Node]:
        """Return the nodes that are primaries."""
        return [each for each in self.nodes if each.role() == "master"]

    def roles(self) -> list[str]:
        """Return the role of each node."""
        return [each.role() for each in self.nodes]

    def primary_of(self, slot: int) -> Node:
        """Return the primary that has a slot, by the first node that answers."""
        port = self._owner(next(each for each in self.nodes if each.role()), slot)
        return next(each for each in self.nodes if each.port == port)

    @contextmanager
    def cut_off(self, primary: Node) -> Iterator[None]:
        """Cut a primary off from its replica and the other nodes; its clients still reach it."""
        primary.ask("DEBUG", "DROP-CLUSTER-PACKET-FILTER", _EVERY_PACKET)
        try:
            with primary.without_peers():
                yield
        finally:
            primary.ask("DEBUG", "DROP-CLUSTER-PACKET-FILTER", _NO_PACKET)

    def is_whole(self) -> bool:
        """Return whether every node sees all slots served, and each primary has its replica."""
        if "" in self.roles():
            return False
        known = [each.ask("CLUSTER INFO") for each in self.nodes]
        primaries = self.primaries()
        told = [each.ask("INFO", "replication") for each in self.nodes]
        replicas = len(self.nodes) // self.count - 1
        return (
            all(each["cluster_state"] == "ok" for each in known)
            and all(int(each["cluster_slots_ok"]) == SLOTS for each in known)
            and all(int(each["cluster_known_nodes"]) == len(self.nodes) for each in known)
            and len(primaries) == self.count
            and all(
                each["connected_slaves"] == replicas for each in told if each["role"] == "master"
            )
            and all(each["master_link_status"] == "up" for each in told if each["role"] != "master")
        )

    def begin_move(self, slot: int, target: Node) -> None:
        """Let the slot's primary send callers to the target for keys that it does not have."""
        source = self.primary_of(slot)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.ask("CLUSTER", "MYID"))
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.ask("CLUSTER", "MYID"))

    def move_keys(self, slot: int, target: Node) -> None:
        """Move the keys of a slot."""
        source = self.primary_of(slot)
        while names := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 10):
            source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 10_000, "KEYS", *names)

    def end_move(self, slot: int, target: Node) -> None:
        """Give the slot to the target, and return once every node knows it."""
        source = self.primary_of(slot)
        for node in (target, source):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", target.ask("CLUSTER", "MYID"))
        wait_until(
            lambda: all(self._owner(each, slot) == target.port for each in self.nodes),
            "every node to know who has the slot",
            START_SECONDS,
        )

    def _owner(self, asked: Node, slot: int) -> int:
        """Return the port of the slot's primary, as one node knows it."""
        found = asked.ask("CLUSTER", "SLOTS")
        return next(int(each[2][1]) for each in found if each[0] <= slot <= each[1])

    def _form(self) -> None:
        count = self.count
        firsts = [SLOTS * number // count for number in range(count + 1)]
        for number, node in enumerate(self.nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < count:
                node.ask("CLUSTER", "ADDSLOTSRANGE", firsts[number], firsts[number + 1] - 1)
            if number:
                self.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, _bus(node))
        wait_until(self._all_met, "the nodes to know each other", START_SECONDS)
        for primary, replica in zip(self.nodes[:count], self.nodes[count:], strict=False):
            replica.ask("CLUSTER", "REPLICATE", primary.ask("CLUSTER", "MYID"))
        wait_until(self.is_whole, "the cluster to be whole", START_SECONDS)

    def _all_met(self) -> bool:
        known = [each.ask("CLUSTER INFO") for each in self.nodes]
        return all(
            int(each["cluster_known_nodes"]) == len(self.nodes)
            and int(each["cluster_slots_ok"]) == SLOTS
            for each in known
        )


@contextmanager
def cluster_nodes(
    primaries: int = 3, replicas: int = 3, tls: Tls | None = None, **settings: str
) -> Iterator[ClusterNodes]:
    """Run a cluster for the block, with as many replicas as primaries, or none.

    `settings`: of each server, in place of those of a test.
    """
    with data_folder() as folder:
        folder.mkdir()
        ports = free_ports(2 * (primaries + replicas))
        pairs = zip(ports[::2], ports[1::2], strict=True)
        more = _CLUSTER | settings | ({"tls-cluster": "yes"} if tls else {})
        nodes = [server(folder, port, tls, **more, cluster_port=str(bus)) for port, bus in pairs]
        found = ClusterNodes(nodes, primaries)
        try:
            for each in nodes:
                each.start()
            found._form()
            yield found
        finally:
            for each in nodes:
                each.kill()


def _bus(node: Node) -> str:
    return node.arguments[list(node.arguments).index("--cluster-port") + 1]
