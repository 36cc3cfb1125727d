"""The paths inside a data folder, and the folder of the sockets."""

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
from cli.errors import FolderError, plain_words
from cli.process.spawn import Account
from cli.safe_files import open_folder

# sun_path without its closing NUL.
MAX_SOCKET_PATH = 107 if sys.platform == "linux" else 103
_MAX_SOCKET_NAME = ".s.PGSQL.5432"
_OUTSIDE = "activity-"  # the prefix of socket folders outside the data folder
_has_plain_characters = re.compile(rb"[A-Za-z0-9/._ +-]+").fullmatch


@dataclass(frozen=True)
class Layout:
    """The paths inside one data folder."""

    root: Path

    @property
    def lock(self) -> Path:
        """Return the lock that a run holds."""
        return self.root / "lock"

    @property
    def state(self) -> Path:
        """Return the state file of the run."""
        return self.root / "state.json"

    @property
    def cluster(self) -> Path:
        """Return the folder of PostgreSQL's data."""
        return self.root / "postgres"

    @property
    def programs(self) -> Path:
        """Return the folder for copies of the servers' programs."""
        return self.root / "programs"

    @property
    def run(self) -> Path:
        """Return the folder of the sockets, or the link to it."""
        return self.root / "run"

    def valkey(self, role: str) -> Path:
        """Return the folder of a Valkey server's data."""
        return self.root / role

    def log(self, role: str) -> Path:
        """Return the log of a server."""
        return self.root / "log" / f"{role}.log"


def create(root: Path, account: Account | None) -> Layout:
    """Create the data folder if it is missing. Raises `FolderError`, `UnsafeFolder`.

    If the servers run as another user, all users may pass through the folder, but not list it.
    """
    try:
        with open_umask():
            root.mkdir(parents=True, exist_ok=True, mode=0o711 if account else 0o700)
        (root / "log").mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise FolderError(
            f"the data folder {root} can't be created: {plain_words(error, root)}; choose another "
            "with --data-dir"
        ) from None
    # Another user may have created the folder or its content just now.
    check_trust(root)
    refuse_links(root)
    return Layout(root)


@contextmanager
def open_umask() -> Iterator[None]:
    """Create files with exactly the given modes: a strict umask would exclude the servers' user."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def private_folder(path: Path, account: Account | None) -> Path:
    """Create the folder if it is missing, accessible only to the servers' user."""
    path.mkdir(exist_ok=True, mode=0o700)
    with open_folder(path) as folder:
        if account:
            os.fchown(folder, account.uid, account.gid)
    return path


def takes_sockets(folder: Path) -> bool:
    """Return whether sockets in this folder have paths that work everywhere.

    The kernel limits the length; libpq, Redis addresses and a shell must need no quoting.
    """
    name = os.fsencode(folder / _MAX_SOCKET_NAME)
    return len(name) <= MAX_SOCKET_PATH and is_plain(folder)


def is_plain(path: Path) -> bool:
    """Return whether a path needs no quoting, even inside double quotes in a shell."""
    return _has_plain_characters(os.fsencode(path)) is not None


def fresh_run_folder(layout: Layout, account: Account | None) -> Path:
    """Return an empty private folder for the sockets, without files of a killed run.

    The caller holds the lock. If the path of the data folder does not suit sockets, this is a
    temporary folder, and `run` is a link to it so that the next run finds and removes it.
    """
    remove_run_folder(layout)
    if takes_sockets(layout.run):
        return private_folder(layout.run, account)
    elsewhere = Path(tempfile.mkdtemp(prefix=_OUTSIDE, dir=temporary_folder()))
    layout.run.symlink_to(elsewhere)
    return private_folder(elsewhere, account)


def remove_run_folder(layout: Layout) -> None:
    """Remove the folder of the sockets, wherever it is."""
    if layout.run.is_symlink():
        target = layout.run.readlink()
        if _is_sockets_folder(target, layout):
            shutil.rmtree(target, ignore_errors=True)
        layout.run.unlink()
    elif layout.run.exists():
        shutil.rmtree(layout.run)


def _is_sockets_folder(folder: Path, layout: Layout) -> bool:
    """Return whether the folder is one that `fresh_run_folder` created."""
    if folder.parent != temporary_folder() or not folder.name.startswith(_OUTSIDE):
        return False
    owners = {os.geteuid(), *(path.lstat().st_uid for path in [layout.cluster] if path.exists())}
    return folder.is_dir() and not folder.is_symlink() and folder.lstat().st_uid in owners


def temporary_folder() -> Path:
    """Return a folder for temporary files that has a short and plain path."""
    usual = Path(tempfile.gettempdir()).absolute()
    fits = takes_sockets(usual / f"{_OUTSIDE}12345678") and weak_part(usual) is None
    return usual if fits else Path("/tmp")  # noqa: S108 - mkdtemp in it
