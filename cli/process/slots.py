"""The supervisor's part in the slot file: make it, and hand a free slot to each process."""

import logging
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cli.health.supervisor_folder import SLOTS
from storage.metrics.process import own, place_of
from storage.metrics.slot import Slot
from storage.metrics.slot_file import SUPERVISOR_SLOT, SlotFile

log = logging.getLogger(__name__)

Spawn = Callable[[Sequence[str], Sequence[int]], subprocess.Popen[bytes]]


class SlotPool:
    """The slots of one supervisor. Two live processes never share a slot.

    A slot is free once the process that got it has ended; the next process goes on with its counts.
    During a rolling restart more processes live than slots were made: then the file grows. Call it
    from the supervisor's main thread.
    """

    def __init__(self, file: SlotFile) -> None:
        """`file` has the supervisor's own slot and no other yet."""
        self.file = file
        self._slots: list[tuple[Slot, subprocess.Popen[bytes] | None]] = []

    def spawn(self, role: str, start: Spawn) -> subprocess.Popen[bytes]:
        """Start a process with a slot of its own.

        `start` gets the arguments and the descriptors that the process needs. Raises what it
        raises: the slot is free again then.
        """
        try:
            index = self._free()
        except OSError as error:  # no memory: the process is worth more than its metrics
            log.warning("a process of role %s starts without a slot for metrics: %s", role, error)
            return start((), ())
        slot, _ = self._slots[index]
        slot.hand_out(role)
        place = place_of(self.file, SUPERVISOR_SLOT + 1 + index)
        try:
            process = start(("--slot", place), (self.file.fd,))
        except BaseException:
            slot.vacate()
            raise
        self._slots[index] = slot, process
        return process

    def _free(self) -> int:
        """Return the first free slot. Free the slots of processes that have ended."""
        for index, (slot, process) in enumerate(self._slots):
            if process is not None and process.poll() is not None:
                slot.vacate()
                self._slots[index] = slot, None
        free = [index for index, (_, process) in enumerate(self._slots) if process is None]
        if free:
            return free[0]
        self._slots.append((self.file.slot(self.file.grow()), None))
        return len(self._slots) - 1


@contextmanager
def slot_pool(folder: Path | None) -> Iterator[SlotPool | None]:
    """Give a pool whose file exists while the block runs, and is open in `folder` for probes.

    Gives None if there is no memory for it: the processes then count each for itself.
    """
    try:
        file = SlotFile.create(1, folder / SLOTS if folder else None)
    except OSError as error:
        log.warning("the metrics of the processes are not joined: %s", error)
        yield None
        return
    try:
        own.join(place_of(file, SUPERVISOR_SLOT), "supervisor")
        yield SlotPool(file)
    finally:
        file.close()
