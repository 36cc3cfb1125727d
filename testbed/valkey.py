"""Start Valkey on loopback, alone or as one of several that follow each other.

The embedded Valkey has no TLS: with `Tls` a server is another program's, which must have it.
"""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis

from cli.embedded.binaries import installed_programs
from cli.process.spawn import kill, spawn
from cli.settings import server_environment
from testbed.ports import free_ports
from testbed.servers import data_folder
from testbed.waiting import wait_until

START_SECONDS = 120  # of each step, on a busy machine
DOWN_MS = 2_000  # without an answer: then a failover begins

PEERS = "peers"  # the user of replicas and Sentinels: without it a server is cut off from them

_QUEUE = {
    "bind": "127.0.0.1",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory": "64mb",
    "maxmemory-policy": "noeviction",
    "repl-diskless-sync-delay": "0",
    "repl-backlog-size": "1mb",
    "user": f"{PEERS} on nopass ~* &* +@all",
    "masteruser": PEERS,
    "masterauth": "any",
}


@dataclass(frozen=True)
class Tls:
    """A server with TLS, its certificate for 127.0.0.1 and key, and the authority of them all."""

    program: str
    certificate: Path
    key: Path
    authority: Path

    def settings(self, port: int) -> dict[str, str]:
        """Return settings of a server that takes nothing but TLS, and speaks it to the others."""
        return {
            "port": "0",
            "tls-port": str(port),
            "tls-cert-file": str(self.certificate),
            "tls-key-file": str(self.key),
            "tls-ca-cert-file": str(self.authority),
            "tls-auth-clients": "no",
            "tls-replication": "yes",
        }


@dataclass
class Node:
    """A Valkey server, or a Sentinel, that can be killed and paused. Main thread only."""

    folder: Path
    port: int
    arguments: Sequence[str] = ()
    tls: Tls | None = None
    password: str | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start, and return once it answers."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            program = self.tls.program if self.tls else str(installed_programs().valkey)
            self._process = spawn(
                [program, *self.arguments], server_environment(), cwd=self.folder, output=log
            )
        wait_until(self._answers, f"{self.folder.name} to answer", START_SECONDS)

    def ask(self, *command: object) -> Any:
        """Return the server's answer to one command. Raises redis-py's errors."""
        with redis.Redis(
            host="127.0.0.1",
            port=self.port,
            password=self.password,
            socket_timeout=10,
            decode_responses=True,
            ssl=self.tls is not None,
            ssl_ca_certs=str(self.tls.authority) if self.tls else None,
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

    @contextmanager
    def without_peers(self, *kinds: str) -> Iterator[None]:
        """End the connections of replicas and Sentinels, and accept none during the block.

        `kinds`: end those of these types of CLIENT KILL only; a replica's stay without `replica`.
        """
        self.ask("ACL", "SETUSER", PEERS, "off")
        ends = ("CLIENT", "KILL", "USER", PEERS)
        for each in [(*ends, "TYPE", kind) for kind in kinds] if kinds else [ends]:
            self.ask(*each)
        try:
            yield
        finally:
            self.ask("ACL", "SETUSER", PEERS, "on")

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


@contextmanager
def one_server(**settings: str) -> Iterator[Node]:
    """Run a server without replicas for the block; `settings` in place of those of a test."""
    with data_folder() as folder:
        folder.mkdir()
        [port] = free_ports(1)
        found = server(folder, port, None, **settings)
        try:
            found.start()
            yield found
        finally:
            found.kill()


def url_of(kind: str, nodes: Sequence[Node], path: str = "", user: str = "") -> str:
    """Return the address of several servers for `ACTIVITY_QUEUE_URL`."""
    hosts, tls = ",".join(f"127.0.0.1:{each.port}" for each in nodes), nodes[0].tls
    if tls is None:
        return f"redis+{kind}://{user}{hosts}{path}"
    authority = quote(str(tls.authority), safe="")
    return f"rediss+{kind}://{user}{hosts}{path}?ssl_ca_certs={authority}"


def server(folder: Path, port: int, tls: Tls | None, **more: str) -> Node:
    """Return a queue server, not started; `more` in place of its settings."""
    settings = {**_QUEUE, **more, **(tls.settings(port) if tls else {"port": str(port)})}
    pairs = [(f"--{name.replace('_', '-')}", value) for name, value in settings.items()]
    # An empty value stays an argument; a user has several.
    arguments = [part for name, value in pairs for part in (name, *value.split(" "))]
    return Node(folder / str(port), port, arguments, tls, more.get("requirepass"))
