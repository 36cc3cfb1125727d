"""What a Redis or Valkey server says of itself, and whether the service can use it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from storage.errors import ControlUnsuitable, QueueUnsuitable
from storage.redis.client import connect
from storage.settings import StorageSettings

MIN_VERSION = (7, 0)  # scripts with flags; Valkey calls itself Redis 7.2


@dataclass(frozen=True, slots=True)
class RedisServer:
    """From INFO. `mode` is standalone, cluster or sentinel; `role` master or slave."""

    version: str
    mode: str
    role: str
    replicas: int

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> "RedisServer":
        """As redis-py reads INFO; what is missing (some hosts leave out much) is taken as right."""
        mode = str(info.get("redis_mode", "standalone"))
        return cls(
            version=str(info.get("redis_version", "")),
            mode="cluster" if info.get("cluster_enabled") else mode,
            role=str(info.get("role", "master")),
            replicas=int(info.get("connected_slaves", 0)),
        )

    def fault(self) -> str | None:
        """Why the service can't use this server; None when it can."""
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
    """Raises QueueUnsuitable."""
    if fault := RedisServer.of(info).fault():
        raise QueueUnsuitable(f"the queue (ACTIVITY_QUEUE_URL) {fault}")


def require_fit_control(info: Mapping[str, Any]) -> None:
    """Raises ControlUnsuitable."""
    if fault := RedisServer.of(info).fault():
        raise ControlUnsuitable(f"control (ACTIVITY_CONTROL_URL) {fault}")


def require_fit_servers(settings: StorageSettings) -> None:
    """Ask both, before anything is begun. One that is away, or does not tell, may still be right.

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
