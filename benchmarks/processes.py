"""Read CPU time and memory of processes from /proc (Linux), children included."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return user and system time of the processes and all their children, ended ones included."""
    stats = _stats()
    return sum(stats[pid][1] for pid in _trees(pids, stats)) / _TICKS


def resident_mib(pid: int) -> float:
    """Return the resident memory of one process now (VmRSS). Raises OSError when it is gone."""
    return _value(pid, "status", "VmRSS:") / 1024


def peak_resident_mib(pid: int) -> float:
    """Return the peak of resident memory (VmHWM). Raises OSError when the process is gone."""
    return _value(pid, "status", "VmHWM:") / 1024


def written_bytes(pid: int) -> int:
    """Return the bytes that one process has made the system write to disk (`write_bytes`).

    Raises OSError when the process is gone.
    """
    return _value(pid, "io", "write_bytes:")


def _value(pid: int, file: str, name: str) -> int:
    for line in (_PROC / str(pid) / file).read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise OSError(f"process {pid} has no {name} in its {file}")


def _stats() -> dict[int, tuple[int, int]]:
    """Return for each process its parent, and the ticks of itself and of its ended children."""
    found = {}
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            found[int(folder.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    return found


def _trees(roots: Iterable[int], stats: dict[int, tuple[int, int]]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in stats.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid in stats and pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found
