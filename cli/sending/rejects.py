"""Lines that were rejected: the first few to be read, all of them in a file."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from cli.sending.chunks import Rejected
from client.answers import problem_text

SHOWN = 20


class Rejects:
    """`path`: NDJSON with `line`, `error` and `original` of each; None: no file. Of what is in it
    `keep` bytes are kept, None: all. Raises OSError."""

    def __init__(self, path: Path | None, keep: int | None, say: Callable[[str], None]) -> None:
        self._say = say
        self._shown = 0
        self._file = None if path is None else path.open("ab")
        if self._file is not None and keep is not None:
            self._file.truncate(min(keep, self._file.tell()))

    def add(self, rejected: Sequence[Rejected]) -> None:
        """These were rejected."""
        for one in rejected:
            self._show(one)
            if self._file is not None:
                self._file.write(_row(one))

    def sync(self) -> int:
        """All of them are on disk when this returns: the bytes of the file."""
        if self._file is None:
            return 0
        self._file.flush()
        os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def _show(self, one: Rejected) -> None:
        if self._shown < SHOWN:
            self._say(f"line {one.line:,}: {problem_text(one.problem)}")
        elif self._shown == SHOWN:
            self._say("more lines were rejected; --rejected FILE writes down all of them")
        self._shown += 1


def _row(one: Rejected) -> bytes:
    original = one.original.decode("utf-8", "replace")
    row = {"line": one.line, "error": one.problem, "original": original}
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
