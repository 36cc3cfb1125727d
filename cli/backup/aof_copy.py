"""Copy the queue's append-only files while the queue runs.

All files that the manifest names are opened, then the manifest is read again. If it is the same,
all of them were in use at one moment, and together they had every write until then. From then on
they can't get lost: a file that a rewrite removes stays readable for whoever has it open. So the
queue needs no setting that keeps it from rewriting its files, and that a killed backup would leave
behind.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from cli.backup.manifest import CopiedFile
from cli.embedded.aof_folder import FOLDER, MANIFEST, AofFolder
from cli.errors import BackupFailed
from cli.safe_files import sync_folder

_TRIES = 100
_PAUSE_SECONDS = 0.05
_PIECE_BYTES = 1024 * 1024
_line = re.compile(rb"file (appendonly\.aof\.[0-9]+\.[a-z.]+) seq [0-9]+ type ([a-z])\b").match
_HISTORY = b"h"  # files that a rewrite has replaced, and that the server is about to remove


class OpenFiles:
    """Every append-only file in use at one moment, open, with the manifest of that moment."""

    def __init__(self, manifest: bytes, files: Sequence[tuple[str, BinaryIO]]) -> None:
        self.manifest = manifest
        self.files = files

    def copy_to(self, folder: Path) -> list[CopiedFile]:
        """Copy the files into `folder`, which this makes, and return what was written.

        The last file may grow meanwhile: what it had when its copy began is copied. The copies are
        on disk when this returns. Raises `OSError`, such as for a full disk.
        """
        target = folder / FOLDER
        target.mkdir(parents=True, mode=0o700)
        copied = [_copy(source, target / name) for name, source in self.files]
        copied.append(_write(target / MANIFEST, [self.manifest]))
        sync_folder(target)
        sync_folder(folder)
        return copied


@contextmanager
def open_files(aof: AofFolder) -> Iterator[OpenFiles]:
    """Give every append-only file in use, open.

    All that the queue has written before is in them. Raises `BackupFailed`, `OSError`.
    """
    for _ in range(_TRIES):
        with ExitStack() as stack:
            found = _open(aof, stack)
            if found is not None:
                yield found
                return
        time.sleep(_PAUSE_SECONDS)
    raise BackupFailed(f"the queue changes its files in {aof.path} all the time: try again")


def _open(aof: AofFolder, stack: ExitStack) -> OpenFiles | None:
    """Open the files; return None if they have changed meanwhile."""
    before = _read(aof)
    lines = [line for line in before.splitlines(keepends=True) if _kind(line) != _HISTORY]
    names = [found[1].decode() for line in lines if (found := _line(line))]
    if not names:
        raise BackupFailed(f"{aof.manifest} names no file: the queue has no append-only files")
    try:
        files = [(name, stack.enter_context(aof.open(name, os.O_RDONLY))) for name in names]
    except FileNotFoundError:
        return None
    return OpenFiles(b"".join(lines), files) if _read(aof) == before else None


def _read(aof: AofFolder) -> bytes:
    with aof.open(MANIFEST, os.O_RDONLY) as file:
        return file.read()


def _kind(line: bytes) -> bytes | None:
    found = _line(line)
    return found[2] if found else None


def _copy(source: BinaryIO, target: Path) -> CopiedFile:
    return _write(target, _pieces(source, os.fstat(source.fileno()).st_size))


def _pieces(source: BinaryIO, size: int) -> Iterator[bytes]:
    while size and (piece := source.read(min(size, _PIECE_BYTES))):
        size -= len(piece)
        yield piece


def _write(target: Path, pieces: Iterator[bytes] | Sequence[bytes]) -> CopiedFile:
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        file.flush()
        os.fsync(descriptor)
    return CopiedFile(target.name, size, digest.hexdigest())
