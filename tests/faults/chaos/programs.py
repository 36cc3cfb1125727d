"""The suite's processes: the whole `up`, two distant ones beside it, and the load generator."""

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

CHECKOUT = Path(cli.__file__).resolve().parents[1]
UP_STOP_SECONDS = 60
LOAD_STOP_SECONDS = 30
DISTANT_STOP_SECONDS = 15
API_PROCESSES = WORKERS = 2
MAIN_CONNECTIONS, DISTANT_CONNECTIONS = 24, 8


class StackFailed(Exception):
    """A process that must stay ended by itself; the text says what it last said."""


@dataclass(frozen=True)
class Folder:
    """Where one run keeps its things."""

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
        """The last lines that a program said."""
        path = self.log(name)
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def environment(urls: Urls | None = None) -> dict[str, str]:
    """For a process of ours: this checkout's code, and no settings but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ACTIVITY_")}
    return {**kept, "PYTHONPATH": str(CHECKOUT), **(urls.environment() if urls else {})}


def module(name: str, *arguments: object) -> list[str]:
    """A command line for one of our modules."""
    return [sys.executable, "-P", "-m", name, *map(str, arguments)]


class Program:
    """A process of ours in the run's folder (which holds no `.env`), its words in a log."""

    def __init__(
        self, name: str, argv: list[str], folder: Folder, env: Mapping[str, str] | None = None
    ) -> None:
        self.role = name
        self._argv, self._folder = argv, folder
        self._env = environment() if env is None else env

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start it; it dies with us."""
        with self._folder.log(self.role).open("ab") as output:
            return spawn(self._argv, self._env, cwd=self._folder.path, output=output)


class Up:
    """`activity up`, which may be killed and started again."""

    def __init__(self, folder: Folder, port: int) -> None:
        options = ["--data-dir", folder.data, "--port", port]
        options += ["--api-processes", API_PROCESSES, "--workers", WORKERS]
        self._folder = folder
        self._program = Program("up", module("cli.main", "up", *options), folder)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return at once."""
        self._process = self._program.spawn()

    @property
    def pid(self) -> int:
        """The supervisor's."""
        assert self._process
        return self._process.pid

    def kill(self) -> None:
        """kill -9; its children notice and end."""
        assert self._process
        kill(self._process)

    def check(self) -> None:
        """Raises StackFailed when it has ended by itself."""
        if self._process and self._process.poll() is not None:
            raise StackFailed(f"`activity up` ended:\n{self._folder.tail('up')}")

    def stop(self) -> None:
        """In good order, and for good: nothing of it is left on return."""
        if self._process and not end(self._process, signal.SIGTERM, UP_STOP_SECONDS):
            kill(self._process)
        lock = Layout(self._folder.data).lock
        wait_until(lambda: not is_held(lock), "the servers to end", UP_STOP_SECONDS)


@contextmanager
def distant(folder: Folder, port: int, urls: Urls) -> Iterator[Supervisor]:
    """One API process on its port and one worker, which reach the servers at `urls`."""
    env = environment(urls)
    api = Program("distant-api", module("api", "--port", port), folder, env)
    supervisor = Supervisor([api, Program("distant-worker", module("worker"), folder, env)])
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop(DISTANT_STOP_SECONDS)


@contextmanager
def load(folder: Folder, rate: int, main: int, distant_port: int) -> Iterator[None]:
    """The load generator, for as long as the block runs; then its counts can be read."""
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
    """What the load generator counted. Raises StackFailed when it did not come to its end."""
    if not folder.counts.exists():
        raise StackFailed("the load generator failed")
    found: dict[str, Any] = json.loads(folder.counts.read_text())
    return found
