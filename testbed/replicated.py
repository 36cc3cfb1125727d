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
DOWN_MS = 2_000  # without an answer: then a failover begins

_QUEUE = {
    "bind": "127.0.0.1",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory": "64mb",
    "maxmemory-policy": "noeviction",
    "repl-diskless-sync-delay": "0",
    "repl-backlog-size": "1mb",
}


@dataclass
class Node:
    """A Valkey server, or a Sentinel, that can be killed and paused. Main thread only."""

    folder: Path
    port: int
    arguments: Sequence[str] = ()
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
        with redis.Redis(port=self.port, socket_timeout=10, decode_responses=True) as client:
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
        return f"redis+sentinel://{hosts}/{SERVICE}"

    def primary(self) -> Node:
        """Return the primary by most of the Sentinels."""
        told = [each.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE) for each in self.sentinels]
        ports = [int(port) for _, port in told]
        most = max(ports, key=ports.count)
        return next(each for each in self.servers if each.port == most)

    def is_whole(self) -> bool:
        """Return whether the Sentinels agree, and every replica follows the primary."""
        primary = self.primary()
        told = [each.ask("SENTINEL", "MASTERS")[0] for each in self.sentinels]
        state = primary.ask("INFO", "replication")
        return (
            primary.role() == "master"
            and all(int(each["port"]) == primary.port for each in told)
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
        servers = [_server(folder, port, min_replicas_to_write="1") for port in ours]
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


def _server(folder: Path, port: int, **more: str) -> Node:
    settings = {**_QUEUE, **more, "port": str(port)}
    pairs = [(f"--{name.replace('_', '-')}", value) for name, value in settings.items()]
    return Node(folder / str(port), port, [part for pair in pairs for part in pair])


def _sentinel(folder: Path, port: int, primary: int) -> Node:
    home = folder / f"sentinel{port}"
    home.mkdir()
    (home / "sentinel.conf").write_text(
        f"port {port}\nbind 127.0.0.1\ndir {home}\n"
        f"sentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n"
        f"sentinel down-after-milliseconds {SERVICE} {DOWN_MS}\n"
        f"sentinel failover-timeout {SERVICE} 10000\n"
    )
    return Node(home, port, [str(home / "sentinel.conf"), "--sentinel"])
