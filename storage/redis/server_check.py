"""Check by INFO that the service can use a Redis or Valkey server."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import redis

from storage.errors import ControlUnsuitable, QueueUnsuitable
from storage.redis.client import connect, primary_addresses
from storage.redis_hosts import names_cluster
from storage.settings import StorageSettings

MIN_VERSION = (7, 0)  # scripts with flags; Valkey reports itself as Redis 7.2


@dataclass(frozen=True, slots=True)
class RedisServer:
    """What INFO says. `mode` is standalone, cluster or sentinel; `role` is master or slave."""

    version: str
    mode: str
    role: str
    replicas: int

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> "RedisServer":
        """Take the fields from redis-py's INFO. Missing ones count as right: hosts omit some."""
        mode = str(info.get("redis_mode", "standalone"))
        return cls(
            version=str(info.get("redis_version", "")),
            mode="cluster" if info.get("cluster_enabled") else mode,
            role=str(info.get("role", "master")),
            replicas=int(info.get("connected_slaves", 0)),
        )

    def unsuitability(self, clustered: bool = False) -> str | None:
        """Return why the service can't use this server; None if it can.

        `clustered`: the address names a cluster.
        """
        if (self.mode == "cluster") is not clustered:
            return (
                "is no node of a cluster: name it by redis://"
                if clustered
                else "is a node of a cluster: name a single server, or for the queue the cluster "
                "(redis+cluster://)"
            )
        if self.mode == "sentinel":
            return "is a Sentinel: name the primary; for the queue redis+sentinel:// is right too"
        if self.role not in ("master", "primary"):
            return "is a replica, which can't be written to: name its primary"
        if _numbers(self.version) < MIN_VERSION:
            return f"is Redis {self.version}: 7.0 or newer is needed, or Valkey"
        return None


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")[:2]
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else MIN_VERSION


def require_fit_queue(info: Mapping[str, Any], clustered: bool = False) -> None:
    """Raise QueueUnsuitable if this can't be the queue, or a node of it."""
    if reason := RedisServer.of(info).unsuitability(clustered):
        raise QueueUnsuitable(f"the queue (ACTIVITY_QUEUE_URL) {reason}")


def require_fit_control(info: Mapping[str, Any]) -> None:
    """Raise ControlUnsuitable if this can't be control."""
    if reason := RedisServer.of(info).unsuitability():
        raise ControlUnsuitable(f"control (ACTIVITY_CONTROL_URL) {reason}")


def require_fit_servers(settings: StorageSettings) -> None:
    """Check both servers before anything starts; pass a server that is away or refuses INFO.

    Raises QueueUnsuitable, ControlUnsuitable.
    """
    clustered = names_cluster(settings.queue_url)
    for info in _infos(settings.queue_url):
        require_fit_queue(info, clustered)
    for info in _infos(settings.control_url):
        require_fit_control(info)


def _infos(url: str) -> Iterator[Mapping[str, Any]]:
    """Yield INFO of each server that takes commands at the address, and answers."""
    with suppress(redis.RedisError):
        for address in primary_addresses(url):
            with connect(address) as server, suppress(redis.RedisError):
                yield server.info()
