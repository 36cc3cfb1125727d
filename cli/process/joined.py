"""Processes that joined a run: `activity api` and `activity worker` on its data folder.

Each such command keeps two files below `joined/`: one that it holds locked while it lives, and one
that says which processes it keeps alive.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cli.embedded.lock import folder_lock, is_held
from cli.process.inspection import alive
from cli.safe_files import read_small, replace_file

Processes = Sequence[tuple[str, int]]  # role and pid


class Membership:
    """What one command tells about itself."""

    def __init__(self, told: Path) -> None:
        self._told = told
        self._last: Processes = ()

    def tell(self, processes: Processes) -> None:
        """These are its processes now. Raises `OSError`."""
        if processes != self._last:
            replace_file(self._told, json.dumps([("supervisor", os.getpid()), *processes]))
            self._last = processes


@contextmanager
def membership(data_dir: Path) -> Iterator[Membership]:
    """Belong to the run on this folder while the block runs. Raises `OSError`."""
    folder = data_dir / "joined"
    folder.mkdir(exist_ok=True, mode=0o700)
    _forget_ended(folder)
    lock = folder / f"{os.getpid()}.lock"
    told = lock.with_suffix(".json")
    with folder_lock(lock):
        try:
            yield Membership(told)
        finally:
            told.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)


def processes(data_dir: Path) -> list[tuple[str, int]]:
    """The live processes of every command that joined the run on this folder."""
    found: list[tuple[str, int]] = []
    for lock in sorted((data_dir / "joined").glob("*.lock")):
        with suppress(OSError, ValueError):  # one that begins or ends at this moment
            if is_held(lock):
                told = json.loads(read_small(lock.with_suffix(".json")))
                found += [(role, pid) for role, pid in told if alive(pid)]
    return found


def _forget_ended(folder: Path) -> None:
    """Remove what killed commands left."""
    for lock in folder.glob("*.lock"):
        if not is_held(lock):
            lock.with_suffix(".json").unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
