"""Whether a disk has room for a copy: better to know before the copy than in the middle of it."""

import os
import shutil
from pathlib import Path

from cli.errors import CliError
from cli.quantities import size

_WAL = "pg_wal"  # of a running server it is large, and little of it is copied


def size_of(*folders: Path) -> int:
    """Return the bytes of all files in the folders, without WAL.

    Files that vanish meanwhile do not count.
    """
    return sum(
        _bytes(Path(folder) / name)
        for each in folders
        for folder, _, names in os.walk(each)
        for name in names
        if Path(folder).name != _WAL
    )


def require_room(folder: Path, needed: int, error: type[CliError]) -> None:
    """Raise `error` if the disk of `folder` has too little room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise error(
            f"the disk of {folder} has too little room: about {size(needed)} are needed, and "
            f"{size(free)} are free. Nothing was changed"
        )


def _bytes(path: Path) -> int:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return 0
    return min(found.st_size, found.st_blocks * 512)
