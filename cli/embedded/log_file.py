"""A server's log: appended to, kept small, its end shown when the server fails."""

from pathlib import Path
from typing import IO

LARGEST_BYTES = 16 * 1024 * 1024
TAIL_LINES = 15
_TAIL_BYTES = 8192


class LogFile:
    """One server's log and where its latest start begins in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0

    def open(self) -> IO[bytes]:
        """The file to append a new start's output to; over 16 MiB it is begun anew.

        One older file is kept (`.1`).
        """
        if self.path.exists() and self.path.stat().st_size > LARGEST_BYTES:
            self.path.replace(self.path.with_suffix(".log.1"))
        file = self.path.open("ab")
        self._start = file.tell()
        return file

    def tail(self) -> str:
        """The last lines since the latest start."""
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(self._start, size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])
