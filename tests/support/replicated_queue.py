"""A queue and its replica, behind one address that follows a failover."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis

from cli.embedded.valkey import Valkey
from storage.settings import StorageSettings
from testbed.ports import free_ports
from testbed.servers import data_folder
from testbed.waiting import wait_until
from tests.support.own_queue import own_queue

HOST = "127.0.0.1"


@dataclass
class ReplicatedQueue:
    """The primary, its replica, and a link to the socket of the one that is the queue."""

    primary: Valkey
    replica: Valkey
    port: int
    link: Path

    @property
    def url(self) -> str:
        """Return the address of whichever is the queue."""
        return f"unix://{quote(str(self.link))}?db=0"

    def settings(self, settings: StorageSettings, **more: object) -> StorageSettings:
        """Return settings with this queue."""
        return settings.model_copy(update={"queue_url": self.url, **more})

    def follow(self) -> None:
        """Let the replica follow the primary, and wait until it has all."""
        with _client(self.replica) as replica, _client(self.primary) as primary:
            replica.replicaof(HOST, str(self.port))
            wait_until(lambda: primary.wait(1, 1_000) == 1, "the replica to follow")

    def part(self) -> None:
        """Let the replica follow nobody any more: it keeps what it has, and gets nothing new."""
        with _client(self.replica) as replica, _client(self.primary) as primary:
            replica.replicaof("NO", "ONE")
            wait_until(lambda: not primary.info()["connected_slaves"], "the replica to be away")

    def fail_over(self) -> None:
        """Kill the primary with SIGKILL, promote the replica, and lead the address to it."""
        self.primary.kill()
        with _client(self.replica) as replica:
            replica.replicaof("NO", "ONE")
        self._lead_to(self.replica)

    def _lead_to(self, server: Valkey) -> None:
        other = self.link.with_suffix(".new")
        other.symlink_to(server.socket)
        os.replace(other, self.link)


@contextmanager
def replicated_queue() -> Iterator[ReplicatedQueue]:
    """Start a queue with one replica."""
    (port,) = free_ports(1)
    with (
        data_folder() as folder,
        own_queue(port=str(port), bind=HOST) as primary,
        own_queue() as replica,
    ):
        folder.mkdir()
        pair = ReplicatedQueue(primary, replica, port, folder / "queue.sock")
        for server in (primary, replica):
            server.start()
        pair._lead_to(primary)
        pair.follow()
        yield pair


def _client(server: Valkey) -> redis.Redis:
    return redis.Redis.from_url(server.url)
