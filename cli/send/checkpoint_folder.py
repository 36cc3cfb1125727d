"""The folder of the checkpoints, which finished runs must not fill.

A finished run is remembered for MAX_DAYS, and the latest MAX_RUNS of them at most. An interrupted
run is kept until it is finished: without its checkpoint lines would be stored twice.
"""

import time
from contextlib import suppress
from pathlib import Path

from cli.errors import SendError
from cli.send import checkpoint, lock

MAX_DAYS = 30
MAX_RUNS = 1_000
_DAY = 24 * 3600


def is_old(at: float) -> bool:
    """Whether a run that finished then (seconds since 1970) is no longer remembered."""
    return time.time() - at > MAX_DAYS * _DAY


def forget_old_runs(folder: Path) -> None:
    """Remove the checkpoints of finished runs that are old, and the oldest of too many."""
    with suppress(OSError):
        found = sorted(
            ((path.stat().st_mtime, path) for path in folder.glob("*.json")), reverse=True
        )
        for place, (at, path) in enumerate(found):
            if place >= MAX_RUNS or is_old(at):
                _forget(path)


def _forget(path: Path) -> None:
    with suppress(SendError, OSError), lock.held(lock.path_of(path)):
        found = checkpoint.read(path)
        if found is not None and found.is_finished:
            checkpoint.remove(path)
