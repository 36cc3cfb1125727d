"""A server that a run starts, waits for, stops and kills: PostgreSQL or Valkey."""

import logging
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cli.embedded.binaries import Programs
from cli.embedded.layout import Layout
from cli.embedded.lock import Pause
from cli.embedded.log_file import LogFile
from cli.errors import NotAFile, ServerFailed
from cli.process.spawn import Account, end, kill, spawn
from cli.process.supervisor import describe_end
from cli.settings import server_environment

log = logging.getLogger(__name__)

# After a kill -9, PostgreSQL replays up to `max_wal_size` and the queue loads all its data.
READY_SECONDS = 120.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class ServerContext:
    """The folders, programs and user of the servers of one run."""

    layout: Layout
    run: Path
    programs: Programs
    account: Account | None
    lock_fd: int


class Server(ABC):
    """A server. Call its methods from the main thread only."""

    stop_signal: signal.Signals
    stop_seconds = 60.0

    def __init__(self, role: str, context: ServerContext) -> None:
        self._role = role
        self._context = context
        self._log = LogFile(context.layout.log(role))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def role(self) -> str:
        """Return `postgres`, `queue` or `control`."""
        return self._role

    @property
    def pid(self) -> int | None:
        """Return the pid of the server while it runs, else None."""
        return self.process.pid if self.process and self.process.poll() is None else None

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Return the folder of the data."""

    @abstractmethod
    def prepare(self) -> None:
        """Create the data folder if it is missing. Raises `ServerFailed`, `OSError`."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Return whether the server is ready, within about a second."""

    @abstractmethod
    def argv(self) -> list[str]:
        """Return the command line."""

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server without waiting for it."""
        self.process = self._run(self.argv())
        return self.process

    def start(self, pause: Pause = time.sleep) -> None:
        """Prepare, start and wait until ready. Raises `ServerFailed`, `OSError`."""
        self.prepare()
        self.spawn()
        self.wait_ready(pause)

    def wait_ready(self, pause: Pause = time.sleep, seconds: float = READY_SECONDS) -> None:
        """Wait until the server is ready. Raises `ServerFailed` with the end of its log."""
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if self.process is None or self.process.poll() is not None:
                raise self._failure(f"ended with {self._exit_text()} while starting")
            if time.monotonic() >= deadline:
                raise self._failure(f"was not ready after {seconds:g} s")
            pause(_POLL_SECONDS)

    def stop(self) -> None:
        """Stop the server, and kill it if that takes more than a minute."""
        if self.process and not end(self.process, self.stop_signal, self.stop_seconds):
            kill(self.process)

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        if self.process:
            kill(self.process)

    def restart(self) -> None:
        """Stop and start the server, and wait until it is ready."""
        self.stop()
        self.start()

    def rotate_log(self) -> None:
        """Empty the log if it is large. Does not wait."""
        try:
            self._log.rotate()
        except (OSError, NotAFile) as error:
            log.warning("the log of %s can't be rotated: %s", self.role, error)

    def log_tail(self) -> str:
        """Return the end of the log since the latest start."""
        return f"{self._log.path} says:\n{self._log.tail()}"

    def _run(
        self, argv: Sequence[str], cwd: Path | None = None, source: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        self.rotate_log()
        with self._log.open() as output:
            return spawn(
                argv,
                server_environment(),
                pass_fds=(self._context.lock_fd,),
                death_signal=self.stop_signal,
                account=self._context.account,
                cwd=cwd or self.folder,
                source=source,
                output=output,
            )

    def _exit_text(self) -> str:
        return describe_end(self.process.returncode) if self.process else "nothing"

    def _failure(self, what: str) -> ServerFailed:
        return ServerFailed(f"{self.role} {what}; {self.log_tail()}")
