"""Facts of the machine that this command runs on."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cli.doctor.errors import NotKnown
from cli.embedded.memory import memory_mib


@dataclass(frozen=True)
class Disk:
    """The disk of a folder, in bytes; `free` is what an ordinary user may still use."""

    size: int
    free: int


@dataclass(frozen=True)
class Machine:
    """This machine. Tests give another clock and another `/proc`."""

    clock: Callable[[], float] = time.time
    proc: Path = Path("/proc")

    def overcommit(self) -> int:
        """Return vm.overcommit_memory. Raises `NotKnown`."""
        return int(self._read("sys/vm/overcommit_memory"))

    def memory_bytes(self) -> int:
        """Return the memory of the machine, or of the container if that is less."""
        return memory_mib() << 20

    def is_program(self, pid: int, names: tuple[str, ...]) -> bool:
        """Return whether the process exists here and its program has one of these names."""
        try:
            found = self._read(f"{pid}/comm")
        except NotKnown:
            return False
        return found.strip().startswith(names)

    def _read(self, name: str) -> str:
        path = self.proc / name
        try:
            return path.read_text()
        except OSError as error:
            raise NotKnown(f"{path} can't be read: {error.strerror}") from None


def disk_of(folder: Path) -> Disk:
    """Return the disk of a folder. Raises `NotKnown`."""
    try:
        found = os.statvfs(folder)
    except OSError as error:
        raise NotKnown(f"the disk of {folder} can't be read: {error.strerror}") from None
    return Disk(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)
