"""Rejected lines: the first few to be read, all of them in a file to correct and send."""

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from activity_client.answers import problem_text
from cli.errors import SendError
from cli.send.chunks import Rejected

SHOWN = 20
# What the service says of an event; its own line 1 is a line of the file here.
_no_json = re.compile(r"The body is not JSON: (.+) at line 1, column (\d+)\.").fullmatch


@dataclass(frozen=True)
class Written:
    """What a run has written: bytes of both files, and when the lines were written last (ns)."""

    lines: int = 0
    reasons: int = 0
    at: int = 0


def reasons_path(path: Path) -> Path:
    """The file with the reasons, beside the file with the rejected lines."""
    return path.with_name(path.name + ".reasons")


def refuse_to_overwrite(path: Path | None, written: Written) -> None:
    """Raise SendError if the file holds anything but what `written` tells of: somebody may have
    corrected it."""
    if path is None or not path.exists():
        return
    found = path.stat()
    if found.st_size and (found.st_size, found.st_mtime_ns) != (written.lines, written.at):
        raise SendError(
            f"{path} is not empty, and rejected lines in it may have been corrected: "
            f"send that file first, or name another with --rejected"
        )


class Rejects:
    """`path`: the rejected lines as they stand in the input; `path`.reasons: NDJSON with `line` (in
    the input), `error` and, for a line that is too long to be written whole, `cut`. None: no file.

    `keep`: how much of both files is kept; None keeps all. Raises OSError.
    """

    def __init__(self, path: Path | None, keep: Written | None, say: Callable[[str], None]) -> None:
        self._say = say
        self._shown = 0
        self._files: list[BinaryIO] = []
        if path is not None:
            kept = (None, None) if keep is None else (keep.lines, keep.reasons)
            paths = (path, reasons_path(path))
            self._files = [_opened(*pair) for pair in zip(paths, kept, strict=True)]

    def add(self, rejected: Sequence[Rejected]) -> None:
        """These were rejected."""
        for one in rejected:
            self._show(one)
            for file, row in zip(self._files, (one.original + b"\n", _reason(one)), strict=False):
                file.write(row)

    def sync(self) -> Written:
        """Everything is on disk when this returns."""
        for file in self._files:
            file.flush()
            os.fsync(file.fileno())
        if not self._files:
            return Written()
        lines, reasons = (os.fstat(file.fileno()) for file in self._files)
        return Written(lines.st_size, reasons.st_size, lines.st_mtime_ns)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for file in self._files:
            file.close()

    def _show(self, one: Rejected) -> None:
        if self._shown < SHOWN:
            self._say(_shown(one))
        elif self._shown == SHOWN:
            self._say("more lines were rejected; --rejected FILE writes down all of them")
        self._shown += 1


def _shown(one: Rejected) -> str:
    """The line with its fault; of a line that is no JSON with the column."""
    text = problem_text(one.problem)
    if found := _no_json(text):
        reason = found[1].replace("Expecting", "expected")
        return f"line {one.line:,}, column {found[2]}: not JSON: {reason}"
    return f"line {one.line:,}: {text}"


def _opened(path: Path, keep: int | None) -> BinaryIO:
    file = path.open("ab")
    if keep is not None:
        file.truncate(min(keep, file.tell()))
    return file


def _reason(one: Rejected) -> bytes:
    row = {"line": one.line, "error": one.problem, **({"cut": True} if one.is_cut else {})}
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
