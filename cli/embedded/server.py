"""What PostgreSQL and Valkey have in common: start, wait until ready, stop, kill."""

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

# Recovery after a kill -9 replays up to `max_wal_size`, a queue loads up to its memory limit.
READY_SECONDS = 120.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class ServerContext:
    """Where and as whom one run's servers run."""

    layout: Layout
    run: Path
    programs: Programs
    account: Account | None
    lock_fd: int


class Server(ABC):
    """One server. Its methods belong to the main thread."""

    stop_signal: signal.Signals
    stop_seconds = 60.0

    def __init__(self, role: str, place: ServerContext) -> None:
        self._role = role
        self._context = place
        self._log = LogFile(place.layout.log(role))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def role(self) -> str:
        """`postgres`, `queue` or `control`."""
        return self._role

    @property
    def pid(self) -> int | None:
        """The server's pid while it runs."""
        return self.process.pid if self.process and self.process.poll() is None else None

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where its data is."""

    @abstractmethod
    def prepare(self) -> None:
        """Make its data folder if it is missing. Raises `ServerFailed`, `OSError`."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers by now. Does not wait long."""

    @abstractmethod
    def argv(self) -> list[str]:
        """What to run."""

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
        """Wait until the started server answers; raises `ServerFailed` with its log's end."""
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if self.process is None or self.process.poll() is not None:
                raise self._failure(f"ended with {self._end()} instead of starting")
            if time.monotonic() >= deadline:
                raise self._failure(f"was not ready after {seconds:g} s")
            pause(_POLL_SECONDS)

    def stop(self) -> None:
        """Stop in good order, and only by force when that takes over a minute."""
        if self.process and not end(self.process, self.stop_signal, self.stop_seconds):
            kill(self.process)

    def kill(self) -> None:
        """kill -9, as a fault would."""
        if self.process:
            kill(self.process)

    def restart(self) -> None:
        """Stop, start again, wait until ready."""
        self.stop()
        self.start()

    def rotate_log(self) -> None:
        """Begin its log anew when it has grown large. Does not wait."""
        try:
            self._log.rotate()
        except (OSError, NotAFile) as error:
            log.warning("the log of %s can't be rotated: %s", self.role, error)

    def log_tail(self) -> str:
        """The end of what it logged since its latest start."""
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

    def _end(self) -> str:
        return describe_end(self.process.returncode) if self.process else "nothing"

    def _failure(self, what: str) -> ServerFailed:
        return ServerFailed(f"{self.role} {what}; {self.log_tail()}")
