"""A server's log: appended to, kept small while the server runs, its end shown when it fails."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO

from cli.safe_files import open_file

LARGEST_BYTES = 16 * 1024 * 1024
TAIL_LINES = 15
_TAIL_BYTES = 8192
_MODE = 0o600  # messages may quote what was posted


class LogFile:
    """One server's log and where its latest start begins in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0

    def open(self) -> IO[bytes]:
        """Open the file to append a new start's output to. Raises `NotAFile`, `OSError`."""
        file = os.fdopen(open_file(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")
        os.fchmod(file.fileno(), _MODE)
        self._start = os.fstat(file.fileno()).st_size
        return file

    def say(self, text: str) -> None:
        """Append a line of ours."""
        with self.open() as file:
            file.write(f"{text}\n".encode(errors="backslashreplace"))

    def rotate(self) -> None:
        """Begin a log over 16 MiB anew; one older file is kept (`.1`).

        The server keeps the file open, so the content is copied and the file emptied: the server
        appends, and goes on at the new end. Raises `NotAFile`, `OSError`.
        """
        try:
            size = self.path.lstat().st_size
        except FileNotFoundError:
            return
        if size <= LARGEST_BYTES:
            return
        with os.fdopen(open_file(self.path, os.O_RDWR), "r+b") as file:
            with suppress(OSError):  # a full disk: what was logged is worth less than the space
                self._keep(file, size)
            file.truncate(0)
        self._start = 0

    def tail(self) -> str:
        """The last lines since the latest start."""
        with os.fdopen(open_file(self.path, os.O_RDONLY), "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(self._start, size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def _keep(self, file: IO[bytes], size: int) -> None:
        """Keep the last 16 MiB as the older file."""
        older = self.path.with_suffix(".log.1")
        older.unlink(missing_ok=True)
        descriptor = os.open(older, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        file.seek(size - LARGEST_BYTES)
        with os.fdopen(descriptor, "wb") as copy:
            shutil.copyfileobj(file, copy, 1024 * 1024)
