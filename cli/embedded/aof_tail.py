"""Repairs what a power cut leaves at the end of the queue's append-only file: zero bytes.

A file may have grown on the disk before what was written into it arrived there. All that was
acknowledged had arrived: it was fsynced. Behind the last complete command there is nothing of it,
if what follows is the beginning of one command at most, and then zeros up to the end of the file.
"""

import mmap
import os
import re
from dataclasses import dataclass

from cli.embedded.aof_folder import AofFolder

_MAX_HEADER = 32
_MAX_NOTE = 1024
_PIECE_BYTES = 1024 * 1024
_begins_a_header = re.compile(rb"[*$][0-9]{0,19}\r?").fullmatch


@dataclass(frozen=True)
class Cut:
    """The last `size` bytes of a file were cut; they are in `copy` now."""

    file: str
    size: int
    copy: str

    def __str__(self) -> str:
        """As the log and the terminal say it."""
        return (
            f"{self.file} ended with zero bytes, as after a power cut: the last {self.size:,} "
            f"bytes, behind its last complete command, were cut off and are kept in {self.copy}"
        )


def cut_zero_tail(folder: AofFolder) -> Cut | None:
    """Cut the zeros at the end of the last file, and the half of a command before them.

    None where the file does not end so, or something else is wrong with it: then nothing is
    changed. The queue must not run. Raises `NotAFile`, `OSError`.
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
    """What is there is no command."""


class _Short(_Broken):
    """A command has begun, and its end is missing."""


def end_of_commands(content: mmap.mmap) -> int | None:
    """Where the last complete command ends, if only a part of one and zeros follow; else None."""
    end, size = 0, len(content)
    try:
        while end < size:
            end = _behind_command(content, end, size)
    except _Broken:
        pass
    data_end = _without_zeros(content)
    return end if end < size and _begins_a_command(content, end, data_end) else None


def _begins_a_command(content: mmap.mmap, start: int, end: int) -> bool:
    """Whether these bytes are none at all, or the beginning of a command and not the whole."""
    if start == end:
        return True
    try:
        _behind_command(content, start, end)
    except _Short:
        return True
    except _Broken:
        return False
    return False


def _behind_command(content: mmap.mmap, start: int, limit: int) -> int:
    """Pass over a command (`*2`, `$3`, `SET`, ...) or a note (`#TS:...`), each line with its end.

    Raises `_Short` when it goes on past `limit`, `_Broken` when it is neither.
    """
    if content[start] == ord("#"):
        return _behind_note(content, start, limit)
    position, arguments = _header(content, start, limit, ord("*"))
    for _ in range(arguments):
        position, size = _header(content, position, limit, ord("$"))
        position += size + 2
        if position > limit:
            raise _Short
        if content[position - 2 : position] != b"\r\n":
            raise _Broken
    return position


def _header(content: mmap.mmap, start: int, limit: int, kind: int) -> tuple[int, int]:
    """The position behind a line such as `$3`, and its number."""
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


def _behind_note(content: mmap.mmap, start: int, limit: int) -> int:
    end = content.find(b"\n", start, min(start + _MAX_NOTE, limit))
    if end >= 0:
        return end + 1
    raise _Short if limit - start < _MAX_NOTE else _Broken


def _without_zeros(content: mmap.mmap) -> int:
    """The size of the content without the zeros at its end."""
    end = len(content)
    while end > 0:
        start = max(0, end - _PIECE_BYTES)
        piece = content[start:end].rstrip(b"\0")
        if piece:
            return start + len(piece)
        end = start
    return 0
