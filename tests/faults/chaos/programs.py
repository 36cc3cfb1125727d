"""Run the suite's processes: the whole `up`, two distant processes, and the load generator."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cli
from cli.embedded.layout import Layout
from cli.embedded.lock import is_held
from cli.process.spawn import end, kill, spawn
from cli.process.supervisor import Command, Supervisor
from cli.urls import Urls
from testbed.waiting import wait_until
from tests.faults.chaos.outside import Outside

CHECKOUT = Path(cli.__file__).resolve().parents[1]
UP_STOP_SECONDS = 60
LOAD_STOP_SECONDS = 30
DISTANT_STOP_SECONDS = 15
API_PROCESSES = WORKERS = 2
MAIN_CONNECTIONS, DISTANT_CONNECTIONS = 24, 8


class StackFailed(Exception):
    """A process has ended by itself; the message has its last output."""


@dataclass(frozen=True)
class Folder:
    """The files of one run."""

    path: Path

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger"

    @property
    def counts(self) -> Path:
        return self.path / "counts.json"

    def log(self, name: str) -> Path:
        return self.path / f"{name}.log"

    def tail(self, name: str, lines: int = 15) -> str:
        """Return the last lines of a program's output."""
        path = self.log(name)
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def environment(urls: Urls | None = None, outside: Outside | None = None) -> dict[str, str]:
    """Return the environment of a process: this checkout's code, and only these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ACTIVITY_")}
    settings = {
        **(urls.environment() if urls else {}),
        **(outside.environment() if outside else {}),
    }
    return {**kept, "PYTHONPATH": str(CHECKOUT), **settings}


def module(name: str, *arguments: object) -> list[str]:
    """Return the command line for a module of this project."""
    return [sys.executable, "-P", "-m", name, *map(str, arguments)]


class Program:
    """A process in the run's folder (which has no `.env`), with its output in a log."""

    def __init__(
        self, name: str, argv: list[str], folder: Folder, env: Mapping[str, str] | None = None
    ) -> None:
        self.role = name
        self._argv, self._folder = argv, folder
        self._env = environment() if env is None else env

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process; it ends when this process ends."""
        with self._folder.log(self.role).open("ab") as output:
            return spawn(self._argv, self._env, cwd=self._folder.path, output=output)


class Up:
    """`activity up`, which may be killed and started again."""

    def __init__(self, folder: Folder, port: int, outside: Outside | None = None) -> None:
        """`outside`: the queue that takes the place of its own."""
        options = ["--data-dir", folder.data, "--port", port]
        options += ["--api-processes", API_PROCESSES, "--workers", WORKERS]
        self._folder = folder
        name = "tests.faults.chaos.up_outside" if outside else "cli.main"
        env = environment(outside=outside)
        self._program = Program("up", module(name, "up", *options), folder, env)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return at once."""
        self._process = self._program.spawn()

    @property
    def pid(self) -> int:
        """Return the process id of the supervisor."""
        assert self._process
        return self._process.pid

    def kill(self) -> None:
        """Kill the supervisor with SIGKILL; its children notice and end."""
        assert self._process
        kill(self._process)

    def check(self) -> None:
        """Raise StackFailed if the process has ended by itself."""
        if self._process and self._process.poll() is not None:
            raise StackFailed(f"`activity up` ended:\n{self._folder.tail('up')}")

    def stop(self) -> None:
        """Stop in order and for good; all its processes have ended on return."""
        if self._process and not end(self._process, signal.SIGTERM, UP_STOP_SECONDS):
            kill(self._process)
        lock = Layout(self._folder.data).lock
        wait_until(lambda: not is_held(lock), "the servers to end", UP_STOP_SECONDS)


@contextmanager
def distant(
    folder: Folder, port: int, urls: Urls, outside: Outside | None = None
) -> Iterator[Supervisor]:
    """Run one API process and one worker that reach the servers at `urls`."""
    env = environment(urls, outside)
    api = Program("distant-api", module("api", "--port", port), folder, env)
    supervisor = Supervisor([api, Program("distant-worker", module("worker"), folder, env)])
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop(DISTANT_STOP_SECONDS)


@contextmanager
def load(folder: Folder, rate: int, main: int, distant_port: int) -> Iterator[None]:
    """Run the load generator for the block; after it the counts can be read."""
    ports = [main] * MAIN_CONNECTIONS + [distant_port] * DISTANT_CONNECTIONS
    options = ["--rate", rate, "--ledger", folder.ledger, "--counts", folder.counts, *ports]
    argv = module("tests.faults.chaos.load", *options)
    process = Command("load", argv, environment()).spawn()
    try:
        yield
    finally:
        if not end(process, signal.SIGTERM, LOAD_STOP_SECONDS):
            kill(process)


def read_counts(folder: Folder) -> dict[str, Any]:
    """Return the load generator's counts. Raises StackFailed if it has not ended in order."""
    if not folder.counts.exists():
        raise StackFailed("the load generator failed")
    found: dict[str, Any] = json.loads(folder.counts.read_text())
    return found
