"""The log of a server or of our processes: append to it, keep it small, show its end."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO

from cli.safe_files import open_file

MAX_BYTES = 16 * 1024 * 1024
TAIL_LINES = 15
_TAIL_BYTES = 8192
_MODE = 0o600  # messages may quote events


class LogFile:
    """A log, and the position in it where the latest start of its server begins."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0

    def open(self) -> IO[bytes]:
        """Open the file to append the output of a new start. Raises `NotAFile`, `OSError`."""
        file = os.fdopen(open_file(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")
        os.fchmod(file.fileno(), _MODE)
        self._start = os.fstat(file.fileno()).st_size
        return file

    def write_line(self, text: str) -> None:
        """Append a line. Raises `NotAFile`, `OSError`."""
        with self.open() as file:
            file.write(f"{text}\n".encode(errors="backslashreplace"))

    def rotate(self) -> None:
        """Empty a log of more than 16 MiB, after copying it to an older file (`.1`).

        Others keep the file open, so the file is emptied and not renamed. They append, so they
        continue at the new end. A line that is written meanwhile may be lost. Raises `NotAFile`,
        `OSError`.
        """
        try:
            size = self.path.lstat().st_size
        except FileNotFoundError:
            return
        if size <= MAX_BYTES:
            return
        with os.fdopen(open_file(self.path, os.O_RDWR), "r+b") as file:
            with suppress(OSError):  # a full disk: free the space even without a copy
                self._copy_to_older(file, size)
            file.truncate(0)
        self._start = 0

    def tail(self) -> str:
        """Return the last lines since the latest start."""
        with os.fdopen(open_file(self.path, os.O_RDONLY), "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(self._start, size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def _copy_to_older(self, file: IO[bytes], size: int) -> None:
        """Copy the last 16 MiB to the older file."""
        older = self.path.with_suffix(".log.1")
        older.unlink(missing_ok=True)
        descriptor = os.open(older, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        file.seek(size - MAX_BYTES)
        with os.fdopen(descriptor, "wb") as copy:
            shutil.copyfileobj(file, copy, 1024 * 1024)
