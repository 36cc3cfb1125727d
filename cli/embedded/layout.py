"""Where things lie below the data folder, and where the sockets go."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.folder import check_trust, refuse_links
from cli.embedded.trust import weak_part
from cli.errors import FolderError
from cli.process.spawn import Account
from cli.safe_files import open_folder

# sun_path without its closing NUL.
MAX_SOCKET_PATH = 107 if sys.platform == "linux" else 103
_MAX_SOCKET_NAME = ".s.PGSQL.5432"
_OUTSIDE = "activity-"  # begins the names of sockets' folders that are not below the data folder
_has_plain_characters = re.compile(rb"[A-Za-z0-9/._ +-]+").fullmatch


@dataclass(frozen=True)
class Layout:
    """The names below one data folder."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def cluster(self) -> Path:
        return self.root / "postgres"

    @property
    def programs(self) -> Path:
        return self.root / "programs"

    @property
    def run(self) -> Path:
        """The sockets' folder, or a link to it."""
        return self.root / "run"

    def valkey(self, role: str) -> Path:
        return self.root / role

    def log(self, role: str) -> Path:
        return self.root / "log" / f"{role}.log"


def create(root: Path, account: Account | None) -> Layout:
    """Make the data folder if it is missing; raises `FolderError`, `UnsafeFolder`.

    Others may pass through it (never list it) only where the servers run as another user.
    """
    try:
        with open_umask():
            root.mkdir(parents=True, exist_ok=True, mode=0o711 if account else 0o700)
        (root / "log").mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise FolderError(
            f"the data folder {root} can't be made: {error.strerror} ({error.filename}); choose "
            "another with --data-dir"
        ) from None
    # What is there may have been put there before the folder was ours.
    check_trust(root)
    refuse_links(root)
    return Layout(root)


@contextmanager
def open_umask() -> Iterator[None]:
    """Modes are what they are asked to be: a closed umask would shut the servers' user out."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def private_folder(path: Path, account: Account | None) -> Path:
    """Make `path` if it is missing, for the servers' user alone."""
    path.mkdir(exist_ok=True, mode=0o700)
    with open_folder(path) as folder:
        if account:
            os.fchown(folder, account.uid, account.gid)
    return path


def takes_sockets(folder: Path) -> bool:
    """Whether every socket in this folder has a name that the kernel takes, and that needs no
    quoting for libpq, for Redis addresses and for a shell."""
    name = os.fsencode(folder / _MAX_SOCKET_NAME)
    return len(name) <= MAX_SOCKET_PATH and is_plain(folder)


def is_plain(path: Path) -> bool:
    """Whether a path means the same to everybody, a shell's double quotes included."""
    return _has_plain_characters(os.fsencode(path)) is not None


def fresh_run_folder(layout: Layout, account: Account | None) -> Path:
    """An empty private folder for the sockets; what a killed run left there is removed.

    The lock must be held. When the data folder's path is too long for sockets, it is a
    temporary folder, and `run` a link to it so that the next run finds and removes it.
    """
    remove_run_folder(layout)
    if takes_sockets(layout.run):
        return private_folder(layout.run, account)
    elsewhere = Path(tempfile.mkdtemp(prefix=_OUTSIDE, dir=temporary_folder()))
    layout.run.symlink_to(elsewhere)
    return private_folder(elsewhere, account)


def remove_run_folder(layout: Layout) -> None:
    """Remove the sockets' folder, wherever it is."""
    if layout.run.is_symlink():
        target = layout.run.readlink()
        if _is_sockets_folder(target, layout):
            shutil.rmtree(target, ignore_errors=True)
        layout.run.unlink()
    elif layout.run.exists():
        shutil.rmtree(layout.run)


def _is_sockets_folder(folder: Path, layout: Layout) -> bool:
    """Whether a link leads to what `fresh_run_folder` makes, and to nothing else."""
    if folder.parent != temporary_folder() or not folder.name.startswith(_OUTSIDE):
        return False
    owners = {os.geteuid(), *(path.lstat().st_uid for path in [layout.cluster] if path.exists())}
    return folder.is_dir() and not folder.is_symlink() and folder.lstat().st_uid in owners


def temporary_folder() -> Path:
    """A folder for temporary files whose path is short and plain."""
    usual = Path(tempfile.gettempdir()).absolute()
    fits = takes_sockets(usual / f"{_OUTSIDE}12345678") and weak_part(usual) is None
    return usual if fits else Path("/tmp")  # noqa: S108 - mkdtemp in it
