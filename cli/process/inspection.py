"""What the system knows about a process."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")


def alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        status = (_PROC / str(pid) / "stat").read_text()
    except OSError:  # no /proc on this system
        return True
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def command_line(pid: int) -> str:
    """The process's arguments, joined by blanks; empty when there is none or it is hidden."""
    if _PROC.joinpath("self").exists():
        try:
            raw = (_PROC / str(pid) / "cmdline").read_bytes()
        except OSError:
            return ""
        return os.fsdecode(raw.replace(b"\0", b" "))
    answer = subprocess.run(  # noqa: S603
        ["/bin/ps", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False
    )
    return answer.stdout


def with_file_open(path: Path) -> Iterator[int]:
    """Pids of other processes that hold `path` open, as far as we may see them (Linux only)."""
    wanted = str(path.resolve())
    for folder in _PROC.glob("[0-9]*/fd"):
        pid = int(folder.parent.name)
        if pid != os.getpid() and wanted in _open_files(folder):
            yield pid


def _open_files(folder: Path) -> set[str]:
    found = set()
    try:
        for descriptor in folder.iterdir():
            found.add(str(descriptor.readlink()))
    except OSError:  # another user's, or gone meanwhile
        pass
    return found
