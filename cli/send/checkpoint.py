"""The progress of a run on disk, so that the run can be continued whatever ended it."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from cli.errors import CannotResume
from cli.safe_files import replace_file, sync_folder
from cli.send.line_history import LineHistory
from cli.send.outcome import SettledChunk
from cli.send.rejects import Written

FORMAT = 2
UNKNOWN_SIZE = 1 << 62  # of the lines that a file will make
_DIGEST_BYTES = 64 * 1024


@dataclass(frozen=True)
class Plan:
    """What stays the same during a run. It determines every batch and its idempotency key.

    `run_id` is random, `file` absolute. `size` and `head` (a digest of the first 64 KiB) describe
    the file at the start of the run, which ends at `size` bytes. `batch` is in lines. `rejected` is
    the file for rejected lines, "" for none. `earlier` is the history of earlier runs, whose
    accepted lines are not sent again. `reading` tells how lines are made of the file, "" if they
    are sent as they are; then `size` is UNKNOWN_SIZE until the run is finished, and offsets count
    the bytes of these lines.
    """

    run_id: str
    url: str
    file: str
    size: int
    head: str
    batch: int
    rejected: str
    earlier: LineHistory | None = None
    reading: str = ""


@dataclass(frozen=True)
class Position:
    """The progress of a run: everything before `offset` bytes and `lines` lines is done.

    `tail` is a digest of the 64 KiB before `offset`, `at` the time in seconds since 1970, `written`
    the part of the file for rejected lines that belongs to the run, `history` the result of each
    line.
    """

    offset: int
    lines: int
    accepted: int
    rejected: int
    tail: str
    at: float
    written: Written = field(default_factory=Written)
    history: LineHistory = field(default_factory=LineHistory)


@dataclass(frozen=True)
class Checkpoint:
    """A run, its position, and what is known of the chunks behind it.

    `part_ends` are the last lines of parts: the service refused a larger chunk, which is never sent
    whole again. `settled` are chunks that are done. `is_certain`: the run has stopped, and nothing
    else behind the position was accepted. Otherwise the service recognises what it has accepted
    only with the API key whose id is `key_id` ("": no key, or unknown).
    """

    plan: Plan
    position: Position
    part_ends: tuple[int, ...] = ()
    settled: tuple[SettledChunk, ...] = ()
    is_certain: bool = False
    key_id: str = ""

    @property
    def is_finished(self) -> bool:
        """Return whether the whole file was sent."""
        return self.position.offset >= self.plan.size

    @property
    def may_have_stored(self) -> bool:
        """Return whether the service may have accepted a line of the run or of one before it."""
        is_known = self.is_finished or (self.is_certain and not self.settled)
        return self.position.accepted > 0 or not is_known


def head_digest(file: BinaryIO, size: int) -> str:
    """Return a digest of the first 64 KiB of a file of this size."""
    return _digest(file, 0, min(size, _DIGEST_BYTES))


def tail_digest(file: BinaryIO, offset: int) -> str:
    """Return a digest of the 64 KiB before an offset."""
    start = max(0, offset - _DIGEST_BYTES)
    return _digest(file, start, offset - start)


def read(path: Path) -> Checkpoint | None:
    """Read the checkpoint, or return None if there is none. Raises CannotResume, OSError."""
    try:
        document = json.loads(path.read_text())
        if document["format"] != FORMAT:
            raise CannotResume(
                f"another version wrote the checkpoint {path}; --restart replaces it"
            )
        return _checkpoint(document)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise CannotResume(f"{path} is not a checkpoint of a run") from None


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint atomically. It is on disk when this returns. Raises OSError."""
    replace_file(path, json.dumps({"format": FORMAT, **asdict(checkpoint)}), sync=True)


def remove(path: Path) -> None:
    """Remove the checkpoint, so that the whole file can be sent again. Raises OSError."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def _checkpoint(document: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        _plan(document["plan"]),
        _position(document["position"]),
        tuple(document.get("part_ends", ())),
        tuple(SettledChunk(**chunk) for chunk in document.get("settled", ())),
        document.get("is_certain", False),
        document.get("key_id", ""),
    )


def _plan(document: dict[str, Any]) -> Plan:
    earlier = document["earlier"]
    return Plan(**{**document, "earlier": earlier and LineHistory(**earlier)})


def _position(document: dict[str, Any]) -> Position:
    written, history = Written(**document["written"]), LineHistory(**document["history"])
    return Position(**{**document, "written": written, "history": history})


def _digest(file: BinaryIO, start: int, size: int) -> str:
    file.seek(start)
    return hashlib.sha256(file.read(size)).hexdigest()
