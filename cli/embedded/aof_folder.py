"""The folder with the append-only files of the queue.

As root, another user owns it, so no link in it is followed.
"""

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cli.embedded.layout import private_folder
from cli.errors import ServerFailed
from cli.process.spawn import Account
from cli.safe_files import open_file, open_folder, sync_folder

FOLDER = "appendonlydir"
MANIFEST = "appendonly.aof.manifest"
_FIRST_FILE = "appendonly.aof.1.incr.aof"
_MAX_MANIFEST_BYTES = 64 * 1024
_line = re.compile(rb"file (appendonly\.aof\.[0-9]+\.[a-z.]+) seq ([0-9]+) type ([a-z])", re.M)
_base = re.compile(r"appendonly\.aof\.([0-9]+)\.base\.(?:aof|rdb)").fullmatch
_increment = re.compile(r"appendonly\.aof\.([0-9]+)\.incr\.aof").fullmatch


@dataclass(frozen=True)
class AofFolder:
    """The append-only files of the queue whose data is in `data`."""

    data: Path

    @property
    def path(self) -> Path:
        """Return the path of the folder."""
        return self.data / FOLDER

    @property
    def manifest(self) -> Path:
        """Return the path of the manifest, which lists the files in use."""
        return self.path / MANIFEST

    def path_of(self, name: str) -> str:
        """Return the path of one of its files."""
        return str(self.path / name)

    def open(self, name: str, flags: int) -> BinaryIO:
        """Open one of its files. Raises `NotAFile`, `OSError`."""
        with open_folder(self.data) as data, open_folder(Path(FOLDER), data) as folder:
            return os.fdopen(open_file(Path(name), flags, folder), "r+b" if flags else "rb")

    def last_file(self) -> str | None:
        """Return the file that Valkey appends to, by the manifest, or None without a manifest."""
        found = _line.findall(self._manifest())
        increments = [(int(seq), name) for name, seq, kind in found if kind == b"i"]
        return max(increments)[1].decode() if increments else None

    def require_manifest(self) -> None:
        """Raise `ServerFailed` if there are append-only files but no manifest.

        Without a manifest Valkey would start empty and overwrite the files.
        """
        names = self._names()
        if self._manifest().strip(b"\0 \r\n") or not any(map(_is_data, names)):
            return
        remedy = _how_to_write(names, self.manifest)
        raise ServerFailed(
            f"the manifest of the queue, {self.manifest}, is missing or empty, but there are "
            f"append-only files with events beside it. Nothing was changed. {remedy}"
        )

    def keep(self, file: BinaryIO, name: str, offset: int) -> str:
        """Copy the bytes from `offset` on to a new file beside the folder, and return its path.

        The copy is on disk when this returns.
        """
        with open_folder(self.data) as data:
            copy, descriptor = _new_file(f"{name}.cut-at-{offset}", data)
            with os.fdopen(descriptor, "wb") as target:
                file.seek(offset)
                shutil.copyfileobj(file, target)
                target.flush()
                os.fsync(target.fileno())
            os.fsync(data)
        return str(self.data / copy)

    def _manifest(self) -> bytes:
        try:
            with self.open(MANIFEST, os.O_RDONLY) as file:
                return file.read(_MAX_MANIFEST_BYTES)
        except FileNotFoundError:
            return b""

    def _names(self) -> list[str]:
        return sorted(os.listdir(self.path)) if self.path.is_dir() else []


def create_empty(data: Path, account: Account | None) -> None:
    """Create the append-only files of an empty queue. They are on disk when this returns.

    `data` is a new folder. `account` is the servers' user, or None for the user of this process.
    """
    folder = private_folder(data / FOLDER, account)
    _write_new(folder / _FIRST_FILE, "", account)
    _write_new(folder / MANIFEST, f"file {_FIRST_FILE} seq 1 type i\n", account)
    sync_folder(folder)
    sync_folder(data)


def _write_new(path: Path, text: str, account: Account | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        if account:
            os.fchown(descriptor, account.uid, account.gid)
        os.fsync(descriptor)


def _new_file(name: str, folder: int) -> tuple[str, int]:
    """Create a file with this name, or with a number behind it if the name is taken."""
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
    """Return the command that writes the manifest, if only one manifest is possible."""
    bases = [name for name in names if _base(name)]
    increments = sorted((name for name in names if _increment(name)), key=_number)
    if len(bases) > 1:
        return "Restore the whole folder from a backup."
    lines = [f"file {name} seq {_number(name)} type b" for name in bases]
    lines += [f"file {name} seq {_number(name)} type i" for name in increments]
    text = "".join(f"{line}\\n" for line in lines)
    return (
        "Restore the whole folder from a backup. Or, if no file is missing, run: "
        f"printf '{text}' > {shlex.quote(str(manifest))}"
    )


def _number(name: str) -> int:
    return int(name.split(".")[2])
