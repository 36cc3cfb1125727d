"""Copy a folder of data for the servers' user: files and folders only, and all of it on disk."""

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from cli.errors import BackupUnusable
from cli.process.spawn import Account
from cli.safe_files import open_file, sync_folder


def copy_tree(
    source: Path, target: Path, account: Account | None, without: Collection[str] = ()
) -> None:
    """Copy a folder to `target`, which this makes, readable by the servers' user alone.

    `without`: names of files in `source` itself that are left out. Raises `BackupUnusable` for a
    link or anything else that is no file, `OSError`.
    """
    target.mkdir(mode=0o700)
    with os.scandir(source) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.name in without:
                continue
            if entry.is_dir(follow_symlinks=False):
                copy_tree(source / entry.name, target / entry.name, account)
            elif entry.is_file(follow_symlinks=False):
                _copy_file(source / entry.name, target / entry.name, account)
            else:
                raise BackupUnusable(f"{source / entry.name} is neither a file nor a folder")
    if account:
        os.chown(target, account.uid, account.gid)
    sync_folder(target)


def _copy_file(source: Path, target: Path, account: Account | None) -> None:
    made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with (
        os.fdopen(open_file(source, os.O_RDONLY), "rb") as reading,
        os.fdopen(made, "wb") as writing,
    ):
        shutil.copyfileobj(reading, writing, 1024 * 1024)
        writing.flush()
        if account:
            os.fchown(made, account.uid, account.gid)
        os.fsync(made)
