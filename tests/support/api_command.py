"""Run `activity api` as an operator runs it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.settings import StorageSettings
from testbed.servers import environment
from testbed.waiting import wait_until

STOP_SECONDS = RESTART_SECONDS = 60


class ApiCommand:
    """The running command: a supervisor and its API processes."""

    def __init__(self, settings: StorageSettings, *options: str, **more: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "api", *options],
            env=environment(settings, **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.address = self.process.stdout.readline().strip().removeprefix("listening: ")
        assert self.address, self.process.communicate()[1]

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return int(self.address.rpartition(":")[2])

    def pids(self) -> list[int]:
        """Return the ids of its API processes, those that are ending included."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children]

    def restart(self) -> None:
        """Ask for a rolling restart, and wait until each API process is a new one."""
        before = self.pids()
        self.process.send_signal(signal.SIGUSR1)

        def replaced() -> bool:
            now = self.pids()
            return len(now) == len(before) and not set(now) & set(before)

        wait_until(replaced, "new API processes", RESTART_SECONDS)

    def stop(self) -> str:
        """Stop the command with SIGTERM; return what it wrote to stderr."""
        self.process.send_signal(signal.SIGTERM)
        said = self.process.communicate(timeout=STOP_SECONDS)[1]
        assert self.process.returncode == 0, said
        return said


@contextmanager
def api_command(settings: StorageSettings, *options: str, **more: object) -> Iterator[ApiCommand]:
    """Run `activity api` with these options for the block."""
    running = ApiCommand(settings, *options, **more)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()
