"""How far a run has come, on disk, so that it can be gone on with after whatever ended it."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from cli.errors import CannotResume
from cli.safe_files import replace_file, sync_folder
from cli.send.line_history import LineHistory
from cli.send.rejects import Written

FORMAT = 2
_DIGEST_BYTES = 64 * 1024


@dataclass(frozen=True)
class Plan:
    """What a run is, from its first batch to its last: the batches and their keys follow from it.

    `run_id` random; `url`; `file` absolute; `size` and `head` (a digest of the first KBs) when it
    began, it ends there; `batch` in lines; `rejected` the file for rejected lines, "" for none;
    `earlier` what became of the lines in earlier runs, whose accepted lines are not sent again.
    """

    run_id: str
    url: str
    file: str
    size: int
    head: str
    batch: int
    rejected: str
    earlier: LineHistory | None = None


@dataclass(frozen=True)
class Position:
    """How far a run is: all before `offset` bytes and `lines` is done.

    `tail`: a digest of the KBs before `offset`. `at`: seconds since 1970. `written`: what of the
    file for rejected lines belongs to it. `history`: what became of each line.
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
    """A run and its position."""

    plan: Plan
    position: Position

    @property
    def is_finished(self) -> bool:
        """Whether all of the file was sent."""
        return self.position.offset >= self.plan.size


def head_digest(file: BinaryIO, size: int) -> str:
    """Of the first KBs of a file of that size."""
    return _digest(file, 0, min(size, _DIGEST_BYTES))


def tail_digest(file: BinaryIO, offset: int) -> str:
    """Of the KBs before an offset."""
    start = max(0, offset - _DIGEST_BYTES)
    return _digest(file, start, offset - start)


def read(path: Path) -> Checkpoint | None:
    """The checkpoint; None where there is none. Raises CannotResume, OSError."""
    try:
        document = json.loads(path.read_text())
        if document["format"] != FORMAT:
            raise CannotResume(f"the checkpoint {path} is another version's: see --restart")
        return Checkpoint(_plan(document["plan"]), _position(document["position"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise CannotResume(f"{path} is not a checkpoint of `activity send`") from None


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Replace it in one step; on disk when this returns. Raises OSError."""
    replace_file(path, json.dumps({"format": FORMAT, **asdict(checkpoint)}), sync=True)


def remove(path: Path) -> None:
    """Forget the run: all of its file may be sent again. Raises OSError."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def _plan(document: dict[str, Any]) -> Plan:
    earlier = document["earlier"]
    return Plan(**{**document, "earlier": earlier and LineHistory(**earlier)})


def _position(document: dict[str, Any]) -> Position:
    written, history = Written(**document["written"]), LineHistory(**document["history"])
    return Position(**{**document, "written": written, "history": history})


def _digest(file: BinaryIO, start: int, size: int) -> str:
    file.seek(start)
    return hashlib.sha256(file.read(size)).hexdigest()
