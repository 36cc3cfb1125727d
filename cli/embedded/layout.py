"""Where things lie below the data folder, and where the sockets go."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.errors import FolderError
from cli.spawn import Account

# sun_path without its closing NUL.
LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103
_LONGEST_SOCKET_NAME = ".s.PGSQL.5432"


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
    """Make the data folder if it is missing; raises `FolderError`.

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
    if account:
        os.chown(path, account.uid, account.gid)
    return path


def takes_sockets(folder: Path) -> bool:
    """Whether every socket in this folder has a name that the kernel and libpq take."""
    name = os.fsencode(folder / _LONGEST_SOCKET_NAME)
    return len(name) <= LONGEST_SOCKET_PATH and b"," not in name  # a comma parts libpq's hosts


def fresh_run_folder(layout: Layout, account: Account | None) -> Path:
    """An empty private folder for the sockets; what a killed run left there is removed.

    The lock must be held. When the data folder's path is too long for sockets, it is a
    temporary folder, and `run` a link to it so that the next run finds and removes it.
    """
    remove_run_folder(layout)
    if takes_sockets(layout.run):
        return private_folder(layout.run, account)
    elsewhere = Path(tempfile.mkdtemp(prefix="activity-", dir=_short_temporary_folder()))
    layout.run.symlink_to(elsewhere)
    return private_folder(elsewhere, account)


def remove_run_folder(layout: Layout) -> None:
    """Remove the sockets' folder, wherever it is."""
    if layout.run.is_symlink():
        shutil.rmtree(layout.run.readlink(), ignore_errors=True)
        layout.run.unlink()
    elif layout.run.exists():
        shutil.rmtree(layout.run)


def _short_temporary_folder() -> Path:
    usual = Path(tempfile.gettempdir())
    return usual if takes_sockets(usual / "activity-12345678") else Path("/tmp")  # noqa: S108 - mkdtemp in it
