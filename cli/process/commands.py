"""The API and worker processes as services to keep alive."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.process.supervisor import Command
from cli.settings import child_environment
from cli.urls import Urls
from worker.liveness import STARTING, LivenessFile

# Our own packages, and not whatever is called `api` in the folder the user happens to be in.
_OURS = str(Path(__file__).resolve().parents[2])

# Time to finish what was accepted (api/server/draining_server.py), and the batch under way; after
# that a process is killed.
API_STOP_SECONDS = 30.0
WORKER_STOP_SECONDS = 30.0


def api_processes(
    count: int, listener_fd: int, host: str, urls: Urls | None, pass_fds: Sequence[int] = ()
) -> list[Command]:
    """`count` API processes that accept from one inherited socket, bound to `host`."""
    argv = _module("api", "--fd", str(listener_fd), "--host", host)
    return [Command("api", argv, _environment(urls), (listener_fd, *pass_fds))] * count


@dataclass(frozen=True)
class WorkerCommand(Command):
    """A worker process that a probe can look at."""

    liveness: Path | None = None

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start it; until the worker itself says more, its file says that it starts."""
        LivenessFile(self.liveness).moved(STARTING)
        return super().spawn()


def worker_processes(
    count: int, urls: Urls | None, pass_fds: Sequence[int] = (), liveness: Sequence[Path] = ()
) -> list[WorkerCommand]:
    """`count` worker processes, each with its liveness file where there are such."""
    files: Sequence[Path | None] = liveness or [None] * count
    return [
        WorkerCommand("worker", _worker_argv(file), _environment(urls), tuple(pass_fds), file)
        for file in files
    ]


def _worker_argv(liveness: Path | None) -> list[str]:
    return _module("worker", *(["--liveness", str(liveness)] if liveness else []))


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", name, *arguments]


def _environment(urls: Urls | None) -> Mapping[str, str]:
    return child_environment(_OURS, urls.environment() if urls else {})
