"""The folder of the checkpoints, with a bound on those of finished runs.

Finished runs are remembered for MAX_DAYS, and only the latest MAX_RUNS of them. An interrupted run
is kept until it is finished: without its checkpoint, lines would be stored twice.
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
    """Return whether a run that finished at this time (seconds since 1970) is forgotten."""
    return time.time() - at > MAX_DAYS * _DAY


def forget_old_runs(folder: Path) -> None:
    """Remove the checkpoints of finished runs that are too old or too many."""
    with suppress(OSError):
        found = sorted(
            ((path.stat().st_mtime, path) for path in folder.glob("*.json")), reverse=True
        )
        for rank, (at, path) in enumerate(found):
            if rank >= MAX_RUNS or is_old(at):
                _forget(path)


def _forget(path: Path) -> None:
    with suppress(SendError, OSError), lock.held(lock.path_of(path)):
        found = checkpoint.read(path)
        if found is not None and found.is_finished:
            checkpoint.remove(path)
