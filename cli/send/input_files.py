"""Which files to send: names, and patterns of names that the shell has left as they are."""

import glob
import os
from collections.abc import Sequence

from cli.errors import SendError, UsageError

MAX_FILES = 10_000


def found_files(names: Sequence[str]) -> list[str]:
    """Return the files in the order given; those of a pattern are sorted.

    `**` stands for folders of any depth. Raises SendError for a pattern that no file has,
    UsageError for a file that is named twice.
    """
    found: list[str] = []
    for name in names:
        found += _matching(name) if glob.has_magic(name) and not os.path.exists(name) else [name]
    if len(found) > MAX_FILES:
        raise UsageError(f"{len(found):,} files: give at most {MAX_FILES:,} at once")
    places: set[str] = set()
    for name in found:
        place = os.path.realpath(name)
        if place in places:
            raise UsageError(f"{name} is named more than once")
        places.add(place)
    return found


def _matching(pattern: str) -> list[str]:
    paths = sorted(path for path in glob.glob(pattern, recursive=True) if not os.path.isdir(path))
    if not paths:
        raise SendError(f"there is no file {pattern}")
    return paths
