"""Run any `activity` command as a separate process, also on a terminal."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from typing import Any

COMMAND = [sys.executable, "-m", "cli.entry"]
SECONDS = 120


class ActivityCommand:
    """`activity` with these variables, and none of ours from elsewhere."""

    def __init__(self, url: str | None = None, **variables: str) -> None:
        ours = {**({"ACTIVITY_URL": url} if url else {}), **variables}
        dropped = ("ACTIVITY_", "NO_COLOR", "COLUMNS", "LINES")
        others = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
        self.env: Mapping[str, str] = {**others, "TERM": "xterm", **ours}

    def run(self, *options: object, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            [*COMMAND, *map(str, options)],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            **more,
        )

    def lines(self, *options: object, **more: Any) -> list[str]:
        """Return the lines of a run that must succeed."""
        ended = self.run(*options, **more)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.splitlines()

    def start(self, *options: object, **more: Any) -> subprocess.Popen[str]:
        """Start in the background."""
        return subprocess.Popen(
            [*COMMAND, *map(str, options)],
            env=self.env,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
        )

    def on_terminal(self, *options: object, columns: int, **variables: str) -> tuple[str, str]:
        """Return what a run writes to a terminal of this width, and what to standard error."""
        master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, columns))
        process = subprocess.Popen(
            [*COMMAND, *map(str, options)],
            env={**self.env, **variables},
            stdout=slave,
            stderr=subprocess.PIPE,
        )
        os.close(slave)
        written = _all(master)
        os.close(master)
        assert process.stderr is not None
        said = process.stderr.read().decode()
        assert process.wait(SECONDS) == 0, said
        process.stderr.close()
        return written.decode().replace("\r\n", "\n"), said


def _all(terminal: int) -> bytes:
    """Read until the other side is closed, which Linux reports as an error."""
    written = b""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and select.select([terminal], [], [], SECONDS)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            return written
        if not part:
            return written
        written += part
    raise AssertionError(f"not ended: {written!r}")
