"""Ask the operating system about a process."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")


def alive(pid: int) -> bool:
    """Return whether the process exists and is not a zombie."""
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
    """Return the arguments of the process, joined by blanks.

    Returns an empty string if there is no such process, or if the system hides it.
    """
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
    """Return the pids of other processes that hold `path` open, as far as this user may see them.

    Linux only; elsewhere there are none.
    """
    target = str(path.resolve())
    for folder in _PROC.glob("[0-9]*/fd"):
        pid = int(folder.parent.name)
        if pid != os.getpid() and target in _open_files(folder):
            yield pid


def _open_files(folder: Path) -> set[str]:
    found = set()
    try:
        for descriptor in folder.iterdir():
            found.add(str(descriptor.readlink()))
    except OSError:  # another user's process, or it has ended
        pass
    return found
