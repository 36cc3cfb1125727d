"""A lock that allows one run at a time for a checkpoint."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.errors import AlreadySending
from cli.file_lock import try_lock
from cli.safe_files import open_file


def path_of(checkpoint: Path) -> Path:
    """Return the path of a checkpoint's lock."""
    return checkpoint.with_name(checkpoint.name + ".lock")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock, and remove its file at the end. Raises AlreadySending, OSError."""
    descriptor = _acquire(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path) -> int:
    while True:
        descriptor = open_file(path, os.O_RDWR | os.O_CREAT)
        if not try_lock(descriptor):
            os.close(descriptor)
            raise AlreadySending(f"another run works on this file (it holds {path})")
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # the previous holder removed the file just before


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
