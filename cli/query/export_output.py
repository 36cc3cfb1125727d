"""Where an export goes: standard output, or a file that has each event exactly once."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from cli.errors import CannotExport
from cli.query.output import write
from cli.query.token_file import Place, TokenFile
from cli.safe_files import open_file, sync_folder


class Output(Protocol):
    """Takes lines, and then says which place in the feed it has reached."""

    def add(self, lines: bytes) -> None:
        """Write the lines; they have left the process, or are on disk, when this returns."""

    def place(self, token: str) -> Place:
        """Return what to keep for the lines up to this token."""
        ...


class _Standard:
    def add(self, lines: bytes) -> None:
        write(lines)

    def place(self, token: str) -> Place:
        return Place(token)


class _File:
    def __init__(self, path: Path, descriptor: int, length: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._length = length

    def add(self, lines: bytes) -> None:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)
        self._length += len(lines)

    def place(self, token: str) -> Place:
        return Place(token, str(self._path), self._length)


@contextmanager
def opened(name: str | None, tokens: TokenFile) -> Iterator[tuple[Output, str]]:
    """Open the output where the kept place says, and lend it with the token to go on with.

    If the block fails before anything is written, it leaves nothing that was not there before: a
    first run with a wrong address does not bind the file of `--since` to this output. Raises
    `CannotExport` if they do not fit, `NotAFile`, `OSError`.
    """
    kept = tokens.read()
    if name is None:
        place = kept or Place()
        _require_same(None, place)
        yield _Standard(), place.token
        return
    path = Path(name).absolute()
    was_there = path.exists()
    descriptor = open_file(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        output, token = _continued(path, descriptor, kept, tokens)
        first = tokens.read()
        try:
            yield output, token
        except Exception:
            if kept is None and first == tokens.read() and _has_length(descriptor, first):
                tokens.forget()
                if not was_there:
                    path.unlink()
            raise
    finally:
        os.close(descriptor)


def _has_length(descriptor: int, place: Place | None) -> bool:
    return place is not None and os.fstat(descriptor).st_size == place.length


def _continued(
    path: Path, descriptor: int, kept: Place | None, tokens: TokenFile
) -> tuple[Output, str]:
    """Remove what was written after the kept place: a killed run did not keep the token of it."""
    size = os.fstat(descriptor).st_size
    if kept is None:
        _require_whole_lines(path, descriptor, size)
        kept = Place(output=str(path), length=size)
    _require_same(path, kept)
    if size == 0 < kept.length:  # moved away, as logs are
        kept = Place(kept.token, kept.output)
    if size < kept.length:
        raise CannotExport(
            f"{path} has {size:,} bytes, and had {kept.length:,} when its place was kept: put the "
            "missing part back, or move the file away to go on with an empty one"
        )
    os.ftruncate(descriptor, kept.length)
    os.fsync(descriptor)
    sync_folder(path.parent)
    tokens.write(kept)  # before the first event: a killed first run leaves events, and no token
    return _File(path, descriptor, kept.length), kept.token


def _require_whole_lines(path: Path, descriptor: int, size: int) -> None:
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        raise CannotExport(f"{path} does not end with a line end; name another output")


def _require_same(path: Path | None, kept: Place) -> None:
    """Refuse another output than before: its end would not be where the token is."""
    if kept.token == Place().token and kept.output is None:
        return
    if kept.output != (None if path is None else str(path)):
        was = "standard output" if kept.output is None else f"--output {kept.output}"
        raise CannotExport(f"the file of --since belongs to {was}; use another file for this")
