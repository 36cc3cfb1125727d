"""Liveness files: when each worker process last made progress, and what it does.

A worker makes progress when it begins a step that ends by itself: it asks control for work, tries
again to reach a server, or begins a batch. An idle worker, and one that waits for an unreachable
server, make progress too. Standard library only: a probe (`activity health worker`) imports this.
"""

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

STARTING = "starting"
IDLE = "idle"
WAITING = "waiting for control"
REFUSED = "refused by control"  # a wrong password or a missing right

_WRITE_SECONDS = 2.0  # write the same activity again after this

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """What a liveness file says. `moved`: when, in seconds of the machine's monotonic clock."""

    moved: float
    activity: str


class LivenessFile:
    """The liveness file of one process. Without a path, nothing is written."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._last = Progress(0.0, "")
        self._failing = False

    def report(self, activity: str) -> None:
        """Write that the process makes progress, unless the file says so already."""
        if self._path is None:
            return
        now = time.monotonic()
        if activity == self._last.activity and now < self._last.moved + _WRITE_SECONDS:
            return
        self._last = Progress(now, activity)
        self._write(self._path)

    def _write(self, path: Path) -> None:
        writing = path.with_suffix(".writing")
        try:
            writing.write_text(json.dumps(vars(self._last)))
            writing.replace(path)
        except OSError as error:  # a worker must not end because of its probe
            if not self._failing:
                log.warning("cannot write %s for `activity health worker`: %s", path, error)
            self._failing = True
        else:
            self._failing = False


def read(path: Path) -> Progress | None:
    """Return what the file says; None if it is missing or not valid."""
    try:
        fields = json.loads(path.read_text())
        return Progress(float(fields["moved"]), str(fields["activity"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


_process_file = LivenessFile()


def write_to(path: Path | None) -> None:
    """Let `report` write to this file from now on."""
    global _process_file
    _process_file = LivenessFile(path)


def report(activity: str) -> None:
    """Write that this process makes progress. Costs nothing before `write_to`."""
    _process_file.report(activity)
