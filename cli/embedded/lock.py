"""A file lock that allows one run per data folder, until the last process of a run has ended.

Every child inherits the locked descriptor. So a killed run keeps its folder until its servers have
ended, and nothing needs to be cleaned up afterwards.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.errors import DataFolderInUse
from cli.file_lock import try_lock
from cli.process.inspection import alive, with_file_open
from cli.safe_files import open_file, read_small

log = logging.getLogger(__name__)

WAIT_SECONDS = 15.0
_POLL_SECONDS = 0.1

Pause = Callable[[float], None]


@contextmanager
def folder_lock(
    path: Path, seconds: float = WAIT_SECONDS, pause: Pause = time.sleep
) -> Iterator[int]:
    """Hold the lock and give its descriptor, which every child must inherit.

    Waits up to `seconds` for a run that is ending, then raises `DataFolderInUse`.
    """
    descriptor = open_file(path, os.O_RDWR | os.O_CREAT)
    try:
        _acquire(descriptor, path, seconds, pause)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return whether any process of a run holds the lock. Raises `OSError`."""
    try:
        descriptor = open_file(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # A shared lock, so that two callers at the same time do not take each other for a run.
        return not try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)


def holder(path: Path) -> int | None:
    """Return the pid of the run, or after its end of a process that it left."""
    recorded = read_small(path).strip()
    if recorded.isdigit() and alive(int(recorded)):
        return int(recorded)
    return next(iter(with_file_open(path)), None)


def _acquire(descriptor: int, path: Path, seconds: float, pause: Pause) -> None:
    deadline = time.monotonic() + seconds
    waiting = False
    while not try_lock(descriptor):
        if time.monotonic() >= deadline:
            raise DataFolderInUse(
                f"the data folder {path.parent} is in use by {_name(path)}: stop that run, or "
                "choose another folder with --data-dir"
            )
        if not waiting:
            log.warning(
                "the data folder %s is in use by %s; waiting up to %g s for it to end",
                path.parent,
                _name(path),
                seconds,
            )
            waiting = True
        pause(_POLL_SECONDS)


def _name(path: Path) -> str:
    pid = holder(path)
    return f"process {pid}" if pid else "another process"
