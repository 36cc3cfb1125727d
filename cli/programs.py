"""The API and worker processes as services to keep alive."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cli.settings import child_environment
from cli.supervisor import Command
from cli.urls import Urls

# Our own packages, and not whatever is called `api` in the folder the user happens to be in.
_OURS = str(Path(__file__).resolve().parents[1])

# Time to finish what was accepted, and the batch under way; after that a process is killed.
API_STOP_SECONDS = 30.0
WORKER_STOP_SECONDS = 30.0


def api_processes(
    count: int, listener_fd: int, urls: Urls | None, pass_fds: Sequence[int] = ()
) -> list[Command]:
    """`count` API processes that accept from one inherited socket."""
    argv = _module("api", "--fd", str(listener_fd))
    return [Command("api", argv, _environment(urls), (listener_fd, *pass_fds))] * count


def worker_processes(count: int, urls: Urls | None, pass_fds: Sequence[int] = ()) -> list[Command]:
    """`count` worker processes."""
    return [Command("worker", _module("worker"), _environment(urls), tuple(pass_fds))] * count


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", name, *arguments]


def _environment(urls: Urls | None) -> Mapping[str, str]:
    return child_environment(_OURS, urls.environment() if urls else {})
