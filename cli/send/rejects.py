"""Show the first rejected lines, and write all of them to a file to correct and send."""

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
from cli.send.hints import with_hint

SHOWN = 20
# The message of the service; its line 1 is the line of the file.
_not_json = re.compile(r"The body is not JSON: (.+) at line 1, column (\d+)\.").fullmatch


@dataclass(frozen=True)
class Written:
    """The bytes that a run wrote to both files, and the last change of the lines (`at`, ns)."""

    lines: int = 0
    reasons: int = 0
    at: int = 0


def reasons_path(path: Path) -> Path:
    """Return the path of the file with the reasons."""
    return path.with_name(path.name + ".reasons")


def refuse_to_overwrite(path: Path | None, written: Written) -> None:
    """Raise SendError if the file has changed since `written`: somebody may have corrected it."""
    if path is None or not path.exists():
        return
    found = path.stat()
    if found.st_size and (found.st_size, found.st_mtime_ns) != (written.lines, written.at):
        raise SendError(
            f"{path} is not empty, and its lines may have been corrected: run the command for that "
            "file first, or choose another with --rejected"
        )


class Rejects:
    """A writer of rejected lines to `path` and of their reasons to `path`.reasons (None: no files).

    Rejected lines are written as they are in the input. Reasons are NDJSON with `line` (in the
    input), `error` and, if the line was too long and is cut, `cut`. `keep` is the part of both
    files to keep (None: all). `show` prints a line. `imports`: reasons name options of an
    import. `unit`: what is numbered, a line or a record of CSV. Raises OSError.
    """

    def __init__(
        self,
        path: Path | None,
        keep: Written | None,
        show: Callable[[str], None],
        imports: bool = False,
        unit: str = "line",
    ) -> None:
        self._imports, self._unit = imports, unit
        self._print = show
        self._shown = 0
        self._files: list[BinaryIO] = []
        if path is not None:
            sizes = (None, None) if keep is None else (keep.lines, keep.reasons)
            paths = (path, reasons_path(path))
            self._files = [_open(*pair) for pair in zip(paths, sizes, strict=True)]

    def add(self, rejected: Sequence[Rejected]) -> None:
        """Show and write rejected lines."""
        for line in map(with_hint, rejected) if self._imports else rejected:
            self._show(line)
            rows = (line.original + b"\n", _reason(line))
            for file, row in zip(self._files, rows, strict=False):
                file.write(row)

    def sync(self) -> Written:
        """Write everything to disk, and return what was written."""
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

    def _show(self, line: Rejected) -> None:
        if self._shown < SHOWN:
            self._print(_text(line, self._unit))
        elif self._shown == SHOWN:
            self._print("more lines were rejected; --rejected FILE writes all of them to FILE")
        self._shown += 1


def _text(line: Rejected, unit: str) -> str:
    """Return the number of the line and the reason, with the column if it is not JSON."""
    text = problem_text(line.problem)
    if found := _not_json(text):
        reason = found[1].replace("Expecting", "expected")
        return f"{unit} {line.line:,}, column {found[2]}: not JSON: {reason}"
    return f"{unit} {line.line:,}: {text}"


def _open(path: Path, keep: int | None) -> BinaryIO:
    file = path.open("ab")
    if keep is not None:
        file.truncate(min(keep, file.tell()))
    return file


def _reason(line: Rejected) -> bytes:
    row = {"line": line.line, "error": line.problem, **({"cut": True} if line.is_cut else {})}
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
