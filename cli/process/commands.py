"""The command lines and environments of API and worker processes."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cli.process.supervisor import Command
from cli.settings import child_environment
from cli.urls import Urls
from worker.liveness import STARTING, LivenessFile

# The current folder may contain another package called `api`.
_PACKAGES = str(Path(__file__).resolve().parents[2])

# Seconds to finish accepted requests (api/server/draining_server.py), and the current batch. After
# that a process is killed.
API_STOP_SECONDS = 30.0
WORKER_STOP_SECONDS = 30.0


def api_processes(
    count: int, listener_fd: int, host: str, urls: Urls | None, pass_fds: Sequence[int] = ()
) -> list[Command]:
    """Return `count` API processes that accept from one inherited socket, bound to `host`."""
    argv = _module("api", "--fd", str(listener_fd), "--host", host)
    return [Command("api", argv, _environment(urls), (listener_fd, *pass_fds))] * count


def insecure(processes: Sequence[Command]) -> list[Command]:
    """Return API processes that need no key until the first one exists, whatever the address."""
    return [replace(one, argv=[*one.argv, "--insecure"]) for one in processes]


@dataclass(frozen=True)
class WorkerCommand(Command):
    """A worker process with a liveness file for probes."""

    liveness: Path | None = None

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the worker. Until it writes to its file, the file says that it is starting."""
        LivenessFile(self.liveness).report(STARTING)
        return super().spawn()


def worker_processes(
    count: int, urls: Urls | None, pass_fds: Sequence[int] = (), liveness: Sequence[Path] = ()
) -> list[WorkerCommand]:
    """Return `count` worker processes, each with its liveness file if there are any."""
    files: Sequence[Path | None] = liveness or [None] * count
    return [
        WorkerCommand(
            "worker", _worker_argv(file), _environment(urls), tuple(pass_fds), liveness=file
        )
        for file in files
    ]


def _worker_argv(liveness: Path | None) -> list[str]:
    return _module("worker", *(["--liveness", str(liveness)] if liveness else []))


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", name, *arguments]


def _environment(urls: Urls | None) -> Mapping[str, str]:
    return child_environment(_PACKAGES, urls.environment() if urls else {})
