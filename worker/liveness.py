"""Liveness files: when each worker process last moved, and what it does.

A worker moves when it begins a step that ends by itself: asks control for work, tries again to
reach a server, begins a batch. A worker that is idle, or waits for a server that is away, moves
too. Standard library only: a probe reads these files (`activity health worker`).
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
class Sign:
    """What a liveness file says. `moved`: seconds on the machine's monotonic clock."""

    moved: float
    activity: str


class LivenessFile:
    """Writes one process's signs. Without a path, writes nothing."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._last = Sign(0.0, "")
        self._failing = False

    def moved(self, activity: str) -> None:
        """Record that the process moves, unless the file says so already."""
        if self._path is None:
            return
        now = time.monotonic()
        if activity == self._last.activity and now < self._last.moved + _WRITE_SECONDS:
            return
        self._last = Sign(now, activity)
        self._write(self._path)

    def _write(self, path: Path) -> None:
        writing = path.with_suffix(".writing")
        try:
            writing.write_text(json.dumps(vars(self._last)))
            writing.replace(path)
        except OSError as error:  # a worker must not end because a probe can't be told
            if not self._failing:
                log.warning("cannot write %s for `activity health worker`: %s", path, error)
            self._failing = True
        else:
            self._failing = False


def read(path: Path) -> Sign | None:
    """Return what the file says; None where it says nothing that makes sense."""
    try:
        said = json.loads(path.read_text())
        return Sign(float(said["moved"]), str(said["activity"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


_of_process = LivenessFile()


def write_to(path: Path | None) -> None:
    """Let `moved` write there from now on."""
    global _of_process
    _of_process = LivenessFile(path)


def moved(activity: str) -> None:
    """Record that this process moves. Costs nothing before `write_to`."""
    _of_process.moved(activity)
