"""Start Valkey with replicas on loopback: a primary that Sentinels watch, and a cluster."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from cli.embedded.binaries import installed_programs
from cli.process.spawn import kill, spawn
from cli.settings import server_environment
from testbed.ports import free_ports
from testbed.servers import data_folder
from testbed.waiting import wait_until

SERVICE = "queue"
START_SECONDS = 120  # of each step, on a busy machine
SLOTS = 16_384
DOWN_MS = 2_000  # without an answer: then a failover begins

_PEERS = "peers"  # the user of replicas and Sentinels: without it a server is cut off from them
_PASSWORD = "of-the-service"  # under Sentinels, which would else be the default user

_QUEUE = {
    "bind": "127.0.0.1",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory": "64mb",
    "maxmemory-policy": "noeviction",
    "repl-diskless-sync-delay": "0",
    "repl-backlog-size": "1mb",
    "user": f"{_PEERS} on nopass ~* &* +@all",
    "masteruser": _PEERS,
    "masterauth": "any",
}

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
class Node:
    """A Valkey server, or a Sentinel, that can be killed and paused. Main thread only."""

    folder: Path
    port: int
    arguments: Sequence[str] = ()
    password: str | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start, and return once it answers."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            valkey = str(installed_programs().valkey)
            self._process = spawn(
                [valkey, *self.arguments], server_environment(), cwd=self.folder, output=log
            )
        wait_until(self._answers, f"{self.folder.name} to answer", START_SECONDS)

    def ask(self, *command: object) -> Any:
        """Return the server's answer to one command. Raises redis-py's errors."""
        with redis.Redis(
            port=self.port, password=self.password, socket_timeout=10, decode_responses=True
        ) as client:
            return client.execute_command(*command)

    def role(self) -> str:
        """Return `master` or `slave`; empty if it does not answer."""
        try:
            return str(self.ask("ROLE")[0])
        except redis.RedisError:
            return ""

    def pause(self) -> None:
        """Stop it until `resume`: its connections stay."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it with SIGKILL, paused or not."""
        if self._process is not None:
            kill(self._process)
            self._process = None

    def refuse_peers(self) -> None:
        """End the connections of replicas and Sentinels, and accept none until `admit_peers`."""
        self.ask("ACL", "SETUSER", _PEERS, "off")
        self.ask("CLIENT", "KILL", "USER", _PEERS)

    def admit_peers(self) -> None:
        """Let replicas and Sentinels connect again."""
        self.ask("ACL", "SETUSER", _PEERS, "on")

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            return bool(self.ask("PING"))
        except redis.RedisError:
            return False


@dataclass
class SentinelSet:
    """A primary, its replicas, and the Sentinels that watch them."""

    servers: list[Node]
    sentinels: list[Node]

    @property
    def url(self) -> str:
        """Return the address for `ACTIVITY_QUEUE_URL`."""
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        return f"redis+sentinel://:{_PASSWORD}@{hosts}/{SERVICE}"

    def primary(self) -> Node:
        """Return the primary by most of the Sentinels."""
        told = [each.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE) for each in self.sentinels]
        ports = [int(port) for _, port in told]
        most = max(ports, key=ports.count)
        return next(each for each in self.servers if each.port == most)

    def primaries(self) -> list[Node]:
        """Return the primary."""
        return [self.primary()]

    @contextmanager
    def cut_off(self, primary: Node) -> Iterator[None]:
        """Cut a primary off from its replicas and the Sentinels; its clients still reach it."""
        primary.refuse_peers()
        try:
            yield
        finally:
            primary.admit_peers()

    def is_whole(self) -> bool:
        """Return whether the Sentinels agree, and every replica follows the primary."""
        primary = self.primary()
        told = [each.ask("SENTINEL", "MASTERS")[0] for each in self.sentinels]
        state = primary.ask("INFO", "replication")
        return (
            primary.role() == "master"
            and all(int(each["port"]) == primary.port for each in told)
            and all(each["flags"] == "master" for each in told)
            and all(int(each["num-slaves"]) == len(self.servers) - 1 for each in told)
            and all(int(each["num-other-sentinels"]) == len(self.sentinels) - 1 for each in told)
            and state["connected_slaves"] == len(self.servers) - 1
            and all(
                each["state"] == "online"
                for name, each in state.items()
                if name.startswith("slave")
            )
        )


@contextmanager
def sentinel_set(replicas: int = 2, sentinels: int = 3) -> Iterator[SentinelSet]:
    """Run a primary with replicas under Sentinels for the block."""
    with data_folder() as folder:
        folder.mkdir()
        ports = free_ports(1 + replicas + sentinels)
        ours = ports[: 1 + replicas]
        more = {"min_replicas_to_write": "1", "requirepass": _PASSWORD}
        servers = [_server(folder, port, **more) for port in ours]
        watching = [_sentinel(folder, port, ports[0]) for port in ports[1 + replicas :]]
        found = SentinelSet(servers, watching)
        try:
            for each in servers:
                each.start()
            for each in servers[1:]:
                each.ask("REPLICAOF", "127.0.0.1", ports[0])
            for each in watching:
                each.start()
            wait_until(found.is_whole, "the Sentinels to see every server", START_SECONDS)
            yield found
        finally:
            for each in [*watching, *servers]:
                each.kill()


@dataclass
class ClusterNodes:
    """The nodes of a cluster: each primary has one replica."""

    nodes: list[Node]

    @property
    def url(self) -> str:
        """Return the address for `ACTIVITY_QUEUE_URL`."""
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.nodes[:3])
        return f"redis+cluster://{hosts}"

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
        primary.refuse_peers()
        try:
            yield
        finally:
            primary.admit_peers()
            primary.ask("DEBUG", "DROP-CLUSTER-PACKET-FILTER", _NO_PACKET)

    def is_whole(self) -> bool:
        """Return whether every node sees all slots served, and each primary has its replica."""
        if "" in self.roles():
            return False
        known = [each.ask("CLUSTER INFO") for each in self.nodes]
        primaries = self.primaries()
        told = [each.ask("INFO", "replication") for each in self.nodes]
        return (
            all(each["cluster_state"] == "ok" for each in known)
            and all(int(each["cluster_slots_ok"]) == SLOTS for each in known)
            and all(int(each["cluster_known_nodes"]) == len(self.nodes) for each in known)
            and 2 * len(primaries) == len(self.nodes)
            and all(each.get("connected_slaves") == 1 for each in told if each["role"] == "master")
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
        count = len(self.nodes) // 2
        firsts = [SLOTS * number // count for number in range(count + 1)]
        for number, node in enumerate(self.nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < count:
                node.ask("CLUSTER", "ADDSLOTSRANGE", firsts[number], firsts[number + 1] - 1)
            if number:
                self.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, _bus(node))
        wait_until(self._all_met, "the nodes to know each other", START_SECONDS)
        for primary, replica in zip(self.nodes[:count], self.nodes[count:], strict=True):
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
def cluster_nodes(primaries: int = 3) -> Iterator[ClusterNodes]:
    """Run a cluster for the block, with as many replicas as primaries."""
    with data_folder() as folder:
        folder.mkdir()
        ports = free_ports(4 * primaries)
        pairs = zip(ports[::2], ports[1::2], strict=True)
        nodes = [_server(folder, port, **_CLUSTER, cluster_port=str(bus)) for port, bus in pairs]
        found = ClusterNodes(nodes)
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


def _server(folder: Path, port: int, **more: str) -> Node:
    settings = {**_QUEUE, **more, "port": str(port)}
    pairs = [(f"--{name.replace('_', '-')}", value) for name, value in settings.items()]
    # An empty value stays an argument; a user has several.
    arguments = [part for name, value in pairs for part in (name, *value.split(" "))]
    return Node(folder / str(port), port, arguments, more.get("requirepass"))


def _sentinel(folder: Path, port: int, primary: int) -> Node:
    home = folder / f"sentinel{port}"
    home.mkdir()
    (home / "sentinel.conf").write_text(
        f"port {port}\nbind 127.0.0.1\ndir {home}\n"
        f"sentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n"
        f"sentinel down-after-milliseconds {SERVICE} {DOWN_MS}\n"
        f"sentinel failover-timeout {SERVICE} 10000\n"
        f"sentinel auth-user {SERVICE} {_PEERS}\n"
        f"sentinel auth-pass {SERVICE} any\n"
    )
    return Node(home, port, [str(home / "sentinel.conf"), "--sentinel"])
