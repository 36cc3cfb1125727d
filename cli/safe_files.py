"""Open and replace files in folders that others may write to, never through a link."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cli.errors import NotAFile

_MAX_SMALL_BYTES = 1024 * 1024
# The errors of opening a link, a device, or a pipe without a reader.
_NO_FILE = (errno.ELOOP, errno.EMLINK, errno.ENXIO)


def open_file(path: Path, flags: int, folder: int | None = None) -> int:
    """Open a regular file and return its descriptor. A new file gets mode 0600.

    `folder` is the descriptor of the folder that `path` is relative to.
    Raises `NotAFile`, `OSError`.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe would block. Files ignore the flag.
        safe = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags | safe, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise _not_a_file(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_a_file(path)
    return descriptor


@contextmanager
def open_folder(path: Path, folder: int | None = None) -> Iterator[int]:
    """Open a folder, but not through a link. Raises `NotAFile`, `OSError`."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENOTDIR):
            raise NotAFile(
                f"{path} must be a folder and not a link: remove it or move it away"
            ) from None
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_small(path: Path) -> bytes:
    """Return the first MiB of a file. Raises `NotAFile`, `OSError`."""
    with os.fdopen(open_file(path, os.O_RDONLY), "rb") as file:
        return file.read(_MAX_SMALL_BYTES)


def replace_file(path: Path, text: str, *, sync: bool = False) -> None:
    """Replace the file atomically; it gets mode 0600.

    If `sync`, the new content is on disk when this returns. Raises `OSError`, and then leaves
    nothing beside the file.
    """
    writing = path.with_name(path.name + ".writing")
    writing.unlink(missing_ok=True)  # a killed run may have left it; of a link, removes the link
    descriptor = os.open(writing, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        writing.replace(path)
    except BaseException:
        writing.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Lend a new file that takes the place of `path` in one step, with mode 0600, once it is whole.

    It is on disk when the block has ended. If the block raises, `path` stays as it was. A kill
    leaves the part that was written in a file beside it. Raises `NotAFile`, `OSError`.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise _not_a_file(path)
    # With a name of its own, so that two runs do not write into one file.
    descriptor, name = tempfile.mkstemp(".writing", f"{path.name}.", path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Return once the folder's entries are on disk. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_a_file(path: Path) -> NotAFile:
    return NotAFile(f"{path} must be a regular file and not a link: remove it or move it away")
