"""Remove the zero bytes that a power cut leaves at the end of the queue's append-only file.

After a power cut the file may be longer than the data that reached the disk; the rest reads as
zeros. Everything acknowledged reached the disk, because it was fsynced. So the bytes
after the last complete command may be cut off if they are the beginning of at most one command, and
then zeros.
"""

import mmap
import os
import re
from dataclasses import dataclass

from cli.embedded.aof_folder import AofFolder
from cli.quantities import counted

_MAX_HEADER = 32
_MAX_ANNOTATION = 1024
_PIECE_BYTES = 1024 * 1024
_begins_a_header = re.compile(rb"[*$][0-9]{0,19}\r?").fullmatch


@dataclass(frozen=True)
class Cut:
    """The removal of the last `size` bytes of a file, which are now in `copy`."""

    file: str
    size: int
    copy: str

    def __str__(self) -> str:
        """Return the message for the log and the terminal."""
        return (
            f"{self.file} ended with zero bytes, as after a power cut: cut off "
            f"{counted(self.size, 'byte')} after the last complete command; "
            f"a copy is in {self.copy}"
        )


def cut_zero_tail(folder: AofFolder) -> Cut | None:
    """Cut the zeros off the end of the last file, with an incomplete command before them.

    Returns None and changes nothing if the file has no such end, or is damaged in another way. The
    queue must not be running. Raises `NotAFile`, `OSError`.
    """
    name = folder.last_file()
    if name is None:
        return None
    with folder.open(name, os.O_RDWR) as file:
        size = os.fstat(file.fileno()).st_size
        if not size or os.pread(file.fileno(), 1, size - 1) != b"\0":
            return None
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
            end = end_of_commands(content)
        if end is None:
            return None
        copy = folder.keep(file, name, end)
        file.truncate(end)
        os.fsync(file.fileno())
    return Cut(folder.path_of(name), size - end, copy)


class _Broken(Exception):
    """The bytes are not a command."""


class _Short(_Broken):
    """The bytes are the beginning of a command."""


def end_of_commands(content: mmap.mmap) -> int | None:
    """Return where the last complete command ends.

    Returns None unless only an incomplete command and zeros follow it.
    """
    end, size = 0, len(content)
    try:
        while end < size:
            end = _skip_command(content, end, size)
    except _Broken:
        pass
    data_end = _size_without_zeros(content)
    return end if end < size and _begins_a_command(content, end, data_end) else None


def _begins_a_command(content: mmap.mmap, start: int, end: int) -> bool:
    """Return whether the range is empty, or holds an incomplete command."""
    if start == end:
        return True
    try:
        _skip_command(content, start, end)
    except _Short:
        return True
    except _Broken:
        return False
    return False


def _skip_command(content: mmap.mmap, start: int, limit: int) -> int:
    """Return the position after a command (`*2`, `$3`, `SET`, ...) or annotation (`#TS:...`).

    Raises `_Short` if it ends after `limit`, `_Broken` if it is neither.
    """
    if content[start] == ord("#"):
        return _skip_annotation(content, start, limit)
    position, arguments = _read_header(content, start, limit, ord("*"))
    for _ in range(arguments):
        position, size = _read_header(content, position, limit, ord("$"))
        position += size + 2
        if position > limit:
            raise _Short
        if content[position - 2 : position] != b"\r\n":
            raise _Broken
    return position


def _read_header(content: mmap.mmap, start: int, limit: int, kind: int) -> tuple[int, int]:
    """Return the position after a line such as `$3`, and its number."""
    if start >= limit:
        raise _Short
    end = content.find(b"\r\n", start, min(start + _MAX_HEADER, limit))
    line = content[start : min(start + _MAX_HEADER, limit) if end < 0 else end]
    if line[0] != kind or not _begins_a_header(line):
        raise _Broken
    if end < 0:
        raise _Short
    digits = line[1:]
    if not digits.isdigit():
        raise _Broken
    return end + 2, int(digits)


def _skip_annotation(content: mmap.mmap, start: int, limit: int) -> int:
    end = content.find(b"\n", start, min(start + _MAX_ANNOTATION, limit))
    if end >= 0:
        return end + 1
    raise _Short if limit - start < _MAX_ANNOTATION else _Broken


def _size_without_zeros(content: mmap.mmap) -> int:
    """Return the size of the content without the zeros at its end."""
    end = len(content)
    while end > 0:
        start = max(0, end - _PIECE_BYTES)
        piece = content[start:end].rstrip(b"\0")
        if piece:
            return start + len(piece)
        end = start
    return 0
