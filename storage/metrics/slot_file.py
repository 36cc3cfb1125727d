"""The slot file: memory that a supervisor and its processes share, with a slot for each process.

    header      magic; hash of the layout; bytes of a slot; number of slots; a random number that
                tells this file from all others (64 bits each)
    slot 0      the supervisor's own
    slot 1-     the processes', handed out by the supervisor (`cli/process/slots.py`)

A slot keeps its counts when its owner ends, and the next owner goes on with them. So the sum over
all slots never falls while the supervisor lives.

On Linux the file has no name: the kernel removes it when the last process has closed it, however
that one ended. Its path for probes is a symbolic link into `/proc`. It is memory, and never written
to a disk: a write to a mapped file on a disk waits, now and then, until the disk has its page.
Elsewhere the file has its path, in a folder that is cleaned after a kill (`cli/health`).
"""

import mmap
import os
import sys
from contextlib import suppress
from pathlib import Path

from storage.metrics.layout import CELLS, LAYOUT_HASH
from storage.metrics.slot import CELL_BYTES, FIRST_CELL, Slot, SlotReading

_MAGIC = int.from_bytes(b"ACTSLOTS", sys.byteorder)
_PAGE = mmap.ALLOCATIONGRANULARITY
HEADER_BYTES = _PAGE
SLOT_BYTES = -(-(FIRST_CELL + CELLS) * CELL_BYTES // _PAGE) * _PAGE
SUPERVISOR_SLOT = 0
_COUNT, _IDENTITY = 3, 4  # cells of the header
_HAS_UNNAMED = hasattr(os, "memfd_create")


class UnfitSlotFile(Exception):
    """This is no slot file, or one of another version of the service."""


class SlotFile:
    """A slot file that is open in this process."""

    def __init__(self, fd: int) -> None:
        """Open the file by its descriptor, which stays open. Raises UnfitSlotFile, `OSError`."""
        self.fd = fd
        if tuple(self._header()[:3]) != (_MAGIC, LAYOUT_HASH, SLOT_BYTES):
            raise UnfitSlotFile("the slot file is of another version: restart the supervisor")

    @classmethod
    def create(cls, slots: int, path: Path | None = None) -> "SlotFile":
        """Make a file with so many slots. Raises `OSError`, also if there is no memory for it.

        `path`: where processes of this user can open it while this process lives.
        """
        fd = _new_file(path)
        try:
            _write_zeros(fd, 0, HEADER_BYTES + slots * SLOT_BYTES)
            header = (_MAGIC, LAYOUT_HASH, SLOT_BYTES, slots, new_identity())
            os.pwrite(fd, b"".join(cell.to_bytes(8, sys.byteorder) for cell in header), 0)
            if path and not path.exists():
                path.symlink_to(f"/proc/{os.getpid()}/fd/{fd}")
            return cls(fd)
        except BaseException:
            os.close(fd)
            raise

    @classmethod
    def open(cls, path: Path) -> "SlotFile":
        """Open a published file for reading. Raises UnfitSlotFile or `OSError`."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return cls(fd)
        except BaseException:
            os.close(fd)
            raise

    def close(self) -> None:
        """Close the descriptor. Slots that are open stay valid."""
        os.close(self.fd)

    @property
    def count(self) -> int:
        """The number of slots now."""
        return self._header()[_COUNT]

    @property
    def identity(self) -> int:
        """A number that no other file has: its counts begin at zero."""
        return self._header()[_IDENTITY]

    def grow(self) -> int:
        """Add a slot and return its number. For the supervisor. Raises `OSError`."""
        number = self.count
        _write_zeros(self.fd, HEADER_BYTES + number * SLOT_BYTES, SLOT_BYTES)
        memoryview(mmap.mmap(self.fd, HEADER_BYTES)).cast("Q")[_COUNT] = number + 1
        return number

    def slot(self, number: int) -> Slot:
        """Open a slot for writing. Two live processes must never write the same slot.

        Raises UnfitSlotFile if there is no such slot, and `OSError`.
        """
        if not 0 <= number < self.count:
            raise UnfitSlotFile(f"the slot file has no slot {number}")
        offset = HEADER_BYTES + number * SLOT_BYTES
        return Slot(mmap.mmap(self.fd, SLOT_BYTES, offset=offset))

    def readings(self) -> list[SlotReading]:
        """Return every slot for reading. What is read is as of the moment of each access."""
        size = HEADER_BYTES + self.count * SLOT_BYTES
        memory = _mapped(self.fd, size)
        starts = range(HEADER_BYTES, size, SLOT_BYTES)
        return [
            SlotReading(number, memory[start : start + SLOT_BYTES])
            for number, start in enumerate(starts)
        ]

    def _header(self) -> memoryview:
        if os.fstat(self.fd).st_size < HEADER_BYTES:
            raise UnfitSlotFile("this is no slot file: it is too short")
        return _mapped(self.fd, HEADER_BYTES).cast("Q")


def new_identity() -> int:
    """Return a random number of 63 bits."""
    return int.from_bytes(os.urandom(8), sys.byteorder) >> 1


def private_slot() -> Slot:
    """Return a slot that no other process sees, not even a fork: for one without a supervisor."""
    return Slot(mmap.mmap(-1, SLOT_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def _new_file(path: Path | None) -> int:
    if _HAS_UNNAMED:
        with suppress(OSError):  # a sandbox may refuse it
            return os.memfd_create("activity-slots", os.MFD_CLOEXEC)
    if path:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    import tempfile  # slow, and not needed on Linux

    fd, name = tempfile.mkstemp(prefix="activity-slots-")
    os.unlink(name)
    return fd


def _write_zeros(fd: int, offset: int, size: int) -> None:
    """Write zeros: a page that is missing later would kill a process (SIGBUS) if memory is full."""
    end = offset + size
    while offset < end:
        offset += os.pwrite(fd, bytes(min(end - offset, 1 << 20)), offset)


def _mapped(fd: int, size: int) -> memoryview:
    """Map the first bytes for reading, until the last view of them is gone."""
    return memoryview(mmap.mmap(fd, size, access=mmap.ACCESS_READ))
