"""The folder of one supervisor, in which a probe finds its slot file.

    <TMPDIR or /tmp>/activity-<uid>/         this user's alone
        <pid of the supervisor>/             locked while the supervisor lives
            slots                            opens the slot file (`storage.metrics.slot_file`)

The lock is on the folder itself. So it ends with the supervisor, whatever ends that, and
systemd-tmpfiles does not remove the folder. Standard library only: a probe imports this.
"""

import fcntl
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cli.file_lock import try_lock

SLOTS = "slots"

log = logging.getLogger(__name__)


def user_folder() -> Path:
    """Return the parent of the folders of this user's supervisors. It need not exist."""
    return Path(os.environ.get("TMPDIR") or "/tmp") / f"activity-{os.geteuid()}"  # noqa: S108


@contextmanager
def supervisor_folder() -> Iterator[Path | None]:
    """Give the folder of this supervisor, which exists while the block runs.

    Gives None if the folder can't be created: then no probe finds the workers.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(_supervisor_folder())
        except OSError as error:
            log.warning("`activity health worker` will find no workers: %s", error)
            yield None
            return
        yield folder


def running_folders() -> list[Path]:
    """Return the folder of each live supervisor of this user. Raises `OSError`."""
    parent = user_folder()
    try:
        _check(parent)
    except FileNotFoundError:
        return []
    return [folder for folder in _folders(parent) if _is_locked(folder)]


@contextmanager
def _supervisor_folder() -> Iterator[Path]:
    parent = user_folder()
    parent.mkdir(mode=0o700, exist_ok=True)
    _check(parent)
    folder = parent / str(os.getpid())
    with ExitStack() as stack:
        with _locked(parent):  # no other supervisor removes the new folder before it is locked
            _remove_dead(parent)
            folder.mkdir(mode=0o700)
            stack.enter_context(_locked(folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _check(parent: Path) -> None:
    """Refuse a folder that another user could have created: anybody may write to /tmp."""
    found = parent.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not ours or found.st_mode & 0o077:
        raise PermissionError(f"{parent} is not a folder of this user alone: remove it")


def _remove_dead(parent: Path) -> None:
    for folder in _folders(parent):
        if not _is_locked(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _folders(parent: Path) -> list[Path]:
    return sorted(folder for folder in parent.iterdir() if folder.name.isdecimal())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_locked(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:  # its supervisor just removed it
        return False
    try:
        return not try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)
