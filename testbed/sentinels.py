"""Start a Valkey with replicas on loopback, and the Sentinels that watch it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.ports import free_ports
from testbed.servers import data_folder
from testbed.valkey import DOWN_MS, PEERS, START_SECONDS, Node, Tls, server, url_of
from testbed.waiting import wait_until

SERVICE = "queue"
_PASSWORD = "of-the-service"  # under Sentinels, which would else be the default user


@dataclass
class SentinelSet:
    """A primary, its replicas, and the Sentinels that watch them."""

    servers: list[Node]
    sentinels: list[Node]

    @property
    def url(self) -> str:
        """Return the address for `ACTIVITY_QUEUE_URL`."""
        return url_of("sentinel", self.sentinels, f"/{SERVICE}", f":{_PASSWORD}@")

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
        with primary.without_peers():
            yield

    @contextmanager
    def unwatched_with_a_replica(self, primary: Node) -> Iterator[None]:
        """Cut a primary and one of its replicas off from the Sentinels, and from nothing else."""
        replica = next(each for each in self.servers if each is not primary)
        watchers = ("normal", "pubsub")
        with primary.without_peers(*watchers), replica.without_peers(*watchers):
            yield

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
def sentinel_set(
    replicas: int = 2, sentinels: int = 3, tls: Tls | None = None
) -> Iterator[SentinelSet]:
    """Run a primary with replicas under Sentinels for the block."""
    with data_folder() as folder:
        folder.mkdir()
        ports = free_ports(1 + replicas + sentinels)
        ours = ports[: 1 + replicas]
        more = {"min_replicas_to_write": "1", "requirepass": _PASSWORD}
        servers = [server(folder, port, tls, **more) for port in ours]
        watching = [_sentinel(folder, port, tls, ports[0]) for port in ports[1 + replicas :]]
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


def _sentinel(folder: Path, port: int, tls: Tls | None, primary: int) -> Node:
    home = folder / f"sentinel{port}"
    home.mkdir()
    settings = tls.settings(port) if tls else {"port": str(port)}
    (home / "sentinel.conf").write_text(
        "".join(f"{name} {value}\n" for name, value in settings.items())
        + f"bind 127.0.0.1\ndir {home}\n"
        f"sentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n"
        f"sentinel down-after-milliseconds {SERVICE} {DOWN_MS}\n"
        f"sentinel failover-timeout {SERVICE} 10000\n"
        f"sentinel auth-user {SERVICE} {PEERS}\n"
        f"sentinel auth-pass {SERVICE} any\n"
    )
    return Node(home, port, [str(home / "sentinel.conf"), "--sentinel"], tls)
