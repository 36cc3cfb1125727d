"""The folder of the queue's append-only files. As root it is another user's: follow no link."""

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cli.errors import ServerFailed
from cli.safe_files import open_file, open_folder

FOLDER = "appendonlydir"
MANIFEST = "appendonly.aof.manifest"
_SMALL = 64 * 1024
_line = re.compile(rb"file (appendonly\.aof\.[0-9]+\.[a-z.]+) seq ([0-9]+) type ([a-z])", re.M)
_base = re.compile(r"appendonly\.aof\.([0-9]+)\.base\.(?:aof|rdb)").fullmatch
_increment = re.compile(r"appendonly\.aof\.([0-9]+)\.incr\.aof").fullmatch


@dataclass(frozen=True)
class AofFolder:
    """The append-only files of the queue whose data is in `data`."""

    data: Path

    @property
    def path(self) -> Path:
        return self.data / FOLDER

    @property
    def manifest(self) -> Path:
        return self.path / MANIFEST

    def path_of(self, name: str) -> str:
        return str(self.path / name)

    def open(self, name: str, flags: int) -> BinaryIO:
        """Open one of its files. Raises `NotAFile`, `OSError`."""
        with open_folder(self.data) as data, open_folder(Path(FOLDER), data) as folder:
            return os.fdopen(open_file(Path(name), flags, folder), "r+b" if flags else "rb")

    def last_file(self) -> str | None:
        """The file that commands are appended to, as the manifest says; None without one."""
        found = _line.findall(self._manifest())
        increments = [(int(seq), name) for name, seq, kind in found if kind == b"i"]
        return max(increments)[1].decode() if increments else None

    def require_manifest(self) -> None:
        """Raise `ServerFailed` where there are files and nothing says which of them count.

        Without a manifest Valkey would start empty, and write over what is there.
        """
        names = self._names()
        if self._manifest().strip(b"\0 \r\n") or not any(map(_is_data, names)):
            return
        raise ServerFailed(
            f"the queue's manifest {self.manifest} is missing or empty, and there are append-only "
            f"files of events beside it. Nothing was changed. {_how_to_write(names, self.manifest)}"
        )

    def keep(self, file: BinaryIO, name: str, offset: int) -> str:
        """Copy what is behind `offset` to a new file beside the folder, on disk on return."""
        with open_folder(self.data) as data:
            copy, descriptor = _new_file(f"{name}.cut-at-{offset}", data)
            with os.fdopen(descriptor, "wb") as kept:
                file.seek(offset)
                shutil.copyfileobj(file, kept)
                kept.flush()
                os.fsync(kept.fileno())
            os.fsync(data)
        return str(self.data / copy)

    def _manifest(self) -> bytes:
        try:
            with self.open(MANIFEST, os.O_RDONLY) as file:
                return file.read(_SMALL)
        except FileNotFoundError:
            return b""

    def _names(self) -> list[str]:
        return sorted(os.listdir(self.path)) if self.path.is_dir() else []


def _new_file(name: str, folder: int) -> tuple[str, int]:
    """A file that was not there before: the name, or the name with a number."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    number = 0
    while True:
        free = f"{name}.{number}" if number else name
        try:
            return free, os.open(free, flags, 0o600, dir_fd=folder)
        except FileExistsError:
            number += 1


def _is_data(name: str) -> bool:
    return bool(_base(name) or _increment(name))


def _how_to_write(names: list[str], manifest: Path) -> str:
    """The command that writes a manifest, where only one is possible."""
    bases = [name for name in names if _base(name)]
    increments = sorted((name for name in names if _increment(name)), key=_number)
    if len(bases) > 1:
        return "Restore the whole folder from a backup."
    lines = [f"file {name} seq {_number(name)} type b" for name in bases]
    lines += [f"file {name} seq {_number(name)} type i" for name in increments]
    text = "".join(f"{line}\\n" for line in lines)
    return (
        "Restore the whole folder from a backup, or, if no file is missing there, type: "
        f"printf '{text}' > {shlex.quote(str(manifest))}"
    )


def _number(name: str) -> int:
    return int(name.split(".")[2])
