"""The command lines and environments of API and worker processes."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cli.process.supervisor import Command
from cli.settings import child_environment
from cli.tls import TlsFiles
from cli.urls import Urls

# The current folder may contain another package called `api`.
_PACKAGES = str(Path(__file__).resolve().parents[2])

# Seconds to finish accepted requests (api/server/draining_server.py), and the current batch. After
# that a process is killed.
API_STOP_SECONDS = 30.0
WORKER_STOP_SECONDS = 30.0


def api_processes(
    count: int,
    listener_fd: int,
    host: str,
    urls: Urls | None,
    pass_fds: Sequence[int] = (),
    tls: TlsFiles | None = None,
) -> list[Command]:
    """Return `count` API processes that accept from one inherited socket, bound to `host`."""
    argv = _module("api", "--fd", str(listener_fd), "--host", host, *(tls.arguments if tls else []))
    return [Command("api", argv, _environment(urls), (listener_fd, *pass_fds))] * count


def insecure(processes: Sequence[Command]) -> list[Command]:
    """Return API processes that need no key until the first one exists, whatever the address."""
    return [replace(one, argv=[*one.argv, "--insecure"]) for one in processes]


def worker_processes(count: int, urls: Urls | None, pass_fds: Sequence[int] = ()) -> list[Command]:
    """Return `count` worker processes."""
    return [Command("worker", _module("worker"), _environment(urls), tuple(pass_fds))] * count


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", name, *arguments]


def _environment(urls: Urls | None) -> Mapping[str, str]:
    return child_environment(_PACKAGES, urls.environment() if urls else {})
