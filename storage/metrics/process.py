"""The slot of this process: its own memory until it joins the slot file of its supervisor."""

import logging
import os
from collections.abc import Callable

from storage.metrics.slot import Slot, SlotReading
from storage.metrics.slot_file import SlotFile, UnfitSlotFile, new_identity, private_slot

log = logging.getLogger(__name__)


class ProcessSlot:
    """Where this process counts, and the slots of all processes of its supervisor.

    Without a supervisor (`python -m api`) there is one slot, in private memory.
    """

    def __init__(self) -> None:
        self.identity = new_identity()  # of what `readings` count together
        self._use(private_slot())

    def join(self, place: str | None, role: str) -> None:
        """Count in a supervisor's slot from now on. `place`: the text of `place_of`.

        A process must not end because of its metrics: if the slot can't be used, say so in the log
        and go on with private memory.
        """
        self.identity = new_identity()  # a fork that joins has memory of its own from now on
        if place is None:
            self.slot.occupy(role)
            return
        try:
            fd, _, number = place.partition(":")
            file = SlotFile(int(fd))
            self._use(file.slot(int(number)), file.readings)
            self.identity = file.identity
        except (OSError, ValueError, UnfitSlotFile) as error:
            log.warning("the metrics of this process are not joined with the others': %s", error)
        else:
            os.set_inheritable(file.fd, False)
        self.slot.occupy(role)

    def report(self, activity: str) -> None:
        """Report that this process begins a step, and what it does."""
        self.slot.report(activity)

    def _use(self, slot: Slot, readings: Callable[[], list[SlotReading]] | None = None) -> None:
        self.slot, self.cells, self.lock = slot, slot.cells, slot.lock
        self.readings = readings or (lambda: [slot.reading()])


def place_of(file: SlotFile, number: int) -> str:
    """Return the text that tells a started process its slot. It must inherit `file.fd`."""
    return f"{file.fd}:{number}"


own = ProcessSlot()
