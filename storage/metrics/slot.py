"""A slot: the part of a slot file in which one process counts and reports its progress.

A slot is an array of cells of 64 bits. The process that owns the slot is the only writer. Any
process may read at any time: a cell is written by one aligned store, so it is never half written.

    cell 0      pid of the owner, 0 before it has started
    cell 1      start of the owner, in clock ticks since the boot of the machine; 0 if unknown
    cell 2      role of the owner: an index of ROLES; 0 for a slot without an owner
    cell 3      time of the owner's last step: nanoseconds of the machine's monotonic clock
    cell 4      checksum and length of the activity
    cell 5-12   activity: what the owner does, UTF-8
    cell 16-    the cells of the catalogue's metrics (`storage.metrics.layout`)
"""

import mmap
import os
import threading
import time
import zlib
from collections.abc import Sequence
from typing import NamedTuple

ROLES = ("", "supervisor", "api", "worker")
STARTING = "starting"

FIRST_CELL = 16  # of the metrics
CELL_BYTES = 8
ACTIVITY_BYTES = 64

_PID, _STARTED, _ROLE, _MOVED, _CHECK, _TEXT = range(6)
_TRIES = 5


class Owner(NamedTuple):
    """The process that a slot belongs to.

    `pid`: 0 while the process starts. `started`: in clock ticks since the boot of the machine, 0 if
    unknown; it tells the process from a later one with the same pid.
    """

    role: str
    pid: int
    started: int


class Progress(NamedTuple):
    """What a process does, and when it began its last step.

    `moved`: in seconds of the machine's monotonic clock (`time.monotonic`), which is the same for
    all processes. `activity`: None if it was being written whenever it was read.
    """

    moved: float
    activity: str | None


class Slot:
    """The slot of this process, open for writing.

    `cells` are the cells of the metrics, from 0. Many threads of one process may add to a cell:
    take `lock` around `cells[n] += amount`, because that is a read and a write. The lock is of this
    process alone: a killed process leaves nothing locked.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        """Use this memory, which begins with the slot."""
        self._memory = memory
        self._all = memoryview(memory).cast("Q")
        self.cells = self._all[FIRST_CELL:]
        self.lock = threading.Lock()

    def hand_out(self, role: str) -> None:
        """Prepare the slot for a process that is about to start. The counts stay."""
        self._own(role, 0, 0)
        self.report(STARTING)

    def occupy(self, role: str) -> None:
        """Make this process the owner. It goes on with the counts of the owner before it."""
        self._own(role, os.getpid(), process_start(os.getpid()))

    def vacate(self) -> None:
        """Note that the owner has ended. The counts stay."""
        self._own("", 0, 0)

    def report(self, activity: str) -> None:
        """Report that this process begins a step, and what it does (64 bytes of UTF-8 at most)."""
        text = _shortened(activity)
        with self.lock:
            first = _TEXT * CELL_BYTES
            self._memory[first : first + len(text)] = text
            self._all[_CHECK] = _check(text)
            self._all[_MOVED] = time.monotonic_ns()

    def reading(self) -> "SlotReading":
        """Return the slot as a reader sees it."""
        return SlotReading(0, memoryview(self._memory))

    def _own(self, role: str, pid: int, started: int) -> None:
        with self.lock:
            self._all[_PID] = 0  # no reader joins one owner's pid with the start of another
            self._all[_STARTED] = started
            self._all[_ROLE] = ROLES.index(role)
            self._all[_PID] = pid


class SlotReading:
    """A slot of any process, open for reading."""

    def __init__(self, number: int, memory: memoryview) -> None:
        """`memory`: the bytes of slot `number`."""
        self.number = number
        self._memory = memory
        self._all = memory.cast("Q")

    @property
    def owner(self) -> Owner | None:
        """The process that the slot belongs to; None if there is none."""
        role = self._all[_ROLE]
        if not 0 < role < len(ROLES):
            return None
        return Owner(ROLES[role], self._all[_PID], self._all[_STARTED])

    @property
    def progress(self) -> Progress | None:
        """The last report of the owner; None if it has not reported."""
        moved = self._all[_MOVED]
        return Progress(moved / 1e9, self._activity()) if moved else None

    def cells(self) -> Sequence[int]:
        """Return the values of the metrics' cells now."""
        return self._all[FIRST_CELL:].tolist()

    def _activity(self) -> str | None:
        """Return the activity. It is longer than one store, so compare it with its checksum."""
        first = _TEXT * CELL_BYTES
        for _ in range(_TRIES):
            check = self._all[_CHECK]
            text = bytes(self._memory[first : first + min(check & 0xFFFF, ACTIVITY_BYTES)])
            if _check(text) == check:
                return text.decode(errors="replace")
        return None


def process_start(pid: int) -> int:
    """Return when a process started, in clock ticks since the boot; 0 if that can't be read."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):  # it has ended, or the system has no /proc
        return 0


def _check(text: bytes) -> int:
    return zlib.crc32(text) << 32 | len(text)


def _shortened(activity: str) -> bytes:
    text = activity.encode()[:ACTIVITY_BYTES]
    return text.decode(errors="ignore").encode()
