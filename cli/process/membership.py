"""The processes of `activity api` and `activity worker` that joined a run on its data folder.

Each such command keeps two files in `joined/`: a lock that it holds while it lives, and the list of
the processes that it keeps alive.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cli.embedded.lock import folder_lock, is_held
from cli.process.inspection import alive
from cli.safe_files import read_small, replace_file

Processes = Sequence[tuple[str, int]]
"""Role and pid of each process."""


class Membership:
    """One command's entry in the list of processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._recorded: Processes = ()

    def record(self, processes: Processes) -> None:
        """Record the processes that the command keeps alive now. Raises `OSError`."""
        if processes != self._recorded:
            replace_file(self._path, json.dumps([("supervisor", os.getpid()), *processes]))
            self._recorded = processes


@contextmanager
def membership(data_dir: Path) -> Iterator[Membership]:
    """Join the run on this folder while the block runs. Raises `OSError`."""
    folder = data_dir / "joined"
    folder.mkdir(exist_ok=True, mode=0o700)
    _remove_dead(folder)
    lock = folder / f"{os.getpid()}.lock"
    record = lock.with_suffix(".json")
    with folder_lock(lock):
        try:
            yield Membership(record)
        finally:
            record.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)


def joined_processes(data_dir: Path) -> list[tuple[str, int]]:
    """Return the live processes of every command that joined the run on this folder."""
    found: list[tuple[str, int]] = []
    for lock in sorted((data_dir / "joined").glob("*.lock")):
        with suppress(OSError, ValueError):  # the command is just starting or ending
            if is_held(lock):
                recorded = json.loads(read_small(lock.with_suffix(".json")))
                found += [(role, pid) for role, pid in recorded if alive(pid)]
    return found


def _remove_dead(folder: Path) -> None:
    """Remove the files of commands that were killed."""
    for lock in folder.glob("*.lock"):
        if not is_held(lock):
            lock.with_suffix(".json").unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
