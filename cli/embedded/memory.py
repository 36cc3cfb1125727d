"""The memory that all programs here share."""

import os
from collections.abc import Iterable
from pathlib import Path

# The limit of a container, in version 2 and version 1 of control groups.
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_mib(limits: Iterable[Path] = _LIMITS) -> int:
    """Return the memory of the machine, or the limit of the container if that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *filter(None, map(_limit, limits))]) >> 20


def _limit(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
