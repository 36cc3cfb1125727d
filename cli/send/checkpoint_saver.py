"""Save the progress of a run of a file: what is done, and how its chunks were cut into parts."""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from activity_client.errors import GaveUp
from cli.send import checkpoint
from cli.send.checkpoint import Checkpoint, Position
from cli.send.line_history import LineHistory
from cli.send.rejects import Rejects
from cli.send.run import Snapshot


class CheckpointSaver:
    """A writer of the checkpoint of a run. Safe for many threads.

    The checkpoint's time is the time of the last progress. Every unfinished request was first sent
    after it, however often it is repeated.
    """

    def __init__(self, path: Path, run: Checkpoint, file: BinaryIO) -> None:
        self._path = path
        self._run = replace(run, position=_frozen(run.position))
        self._file = file
        self._lock = threading.Lock()
        self._ended = False

    def saving(self, rejects: Rejects, history: LineHistory) -> Callable[[Snapshot], None]:
        """Return a function that saves the progress, after the rejected lines are on disk."""

        def save(snapshot: Snapshot) -> None:
            position = self._position(snapshot, rejects, history)
            with self._lock:
                self._ended = snapshot.is_final
                ends = tuple(end for end in self._run.part_ends if end > position.lines)
                settled = tuple(snapshot.settled)
                run = replace(
                    self._run,
                    position=position,
                    part_ends=ends,
                    settled=settled,
                    is_certain=snapshot.is_certain,
                )
                if run != self._run:
                    self._write(run)

        return save

    def cut(self, last_lines: Collection[int]) -> None:
        """Record the last lines of the parts of a chunk. Raises GaveUp after the run has ended.

        One write records them all: with only some of them, the next run would cut what follows
        into other chunks, of which lines may be stored already. Raises OSError.
        """
        with self._lock:
            if self._ended:
                raise GaveUp("stopped")
            ends = tuple(sorted({*self._run.part_ends, *last_lines}))
            if ends != self._run.part_ends:
                self._write(replace(self._run, part_ends=ends))

    def _write(self, run: Checkpoint) -> None:
        checkpoint.write(self._path, run)
        self._run = run

    def _position(self, snapshot: Snapshot, rejects: Rejects, history: LineHistory) -> Position:
        tally = snapshot.tally
        if tally.offset == self._run.position.offset:
            return self._run.position
        return _frozen(
            Position(
                tally.offset,
                tally.lines,
                tally.accepted,
                tally.rejected,
                checkpoint.tail_digest(self._file, tally.offset),
                time.time(),
                rejects.sync(),
                history,
            )
        )


def _frozen(position: Position) -> Position:
    """Return the position with a history of its own, as that of the run goes on."""
    history = position.history
    own = replace(history, stretches=[*history.stretches], marks=[*history.marks])
    return replace(position, history=own)
