"""Check by INFO that the service can use a Redis or Valkey server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from storage.errors import ControlUnsuitable, QueueUnsuitable
from storage.redis.client import connect
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

    def unsuitability(self) -> str | None:
        """Return why the service can't use this server; None if it can."""
        if self.mode == "cluster":
            return "is a node of a cluster, which the service can't use yet: name a single server"
        if self.mode == "sentinel":
            return "is a Sentinel: name the primary"
        if self.role not in ("master", "primary"):
            return "is a replica, which can't be written to: name its primary"
        if _numbers(self.version) < MIN_VERSION:
            return f"is Redis {self.version}: 7.0 or newer is needed, or Valkey"
        return None


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")[:2]
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else MIN_VERSION


def require_fit_queue(info: Mapping[str, Any]) -> None:
    """Raise QueueUnsuitable if this can't be the queue."""
    if reason := RedisServer.of(info).unsuitability():
        raise QueueUnsuitable(f"the queue (ACTIVITY_QUEUE_URL) {reason}")


def require_fit_control(info: Mapping[str, Any]) -> None:
    """Raise ControlUnsuitable if this can't be control."""
    if reason := RedisServer.of(info).unsuitability():
        raise ControlUnsuitable(f"control (ACTIVITY_CONTROL_URL) {reason}")


def require_fit_servers(settings: StorageSettings) -> None:
    """Check both servers before anything starts; pass a server that is away or refuses INFO.

    Raises QueueUnsuitable, ControlUnsuitable.
    """
    for url, require in (
        (settings.queue_url, require_fit_queue),
        (settings.control_url, require_fit_control),
    ):
        with connect(url) as server:
            try:
                info = server.info()
            except redis.RedisError:
                continue
        require(info)
