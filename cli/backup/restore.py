"""Restore a backup into a new data folder of the embedded service.

Everything is checked before the first change. From then on the folder is marked as unfinished until
it is whole, so `activity up` refuses it, and the next `activity restore` begins anew.
"""

import os
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cli.backup.agreement import Agreement, Erasures, agree
from cli.backup.cluster_copy import require_whole_cluster
from cli.backup.copying import copy_tree
from cli.backup.manifest import (
    NAME,
    POSTGRES,
    POSTGRES_MANIFEST,
    QUEUE,
    WAL,
    Manifest,
    hash_of,
    read,
    require_unchanged,
)
from cli.backup.room import require_room, size_of
from cli.embedded import prepare_folder, running_servers
from cli.embedded.aof_folder import FOLDER
from cli.embedded.binaries import installed_programs
from cli.embedded.folder import checked_folder
from cli.embedded.layout import Layout
from cli.embedded.lock import folder_lock
from cli.embedded.major import major_of_program
from cli.embedded.unfinished import mark_of, remove_mark, unfinished
from cli.errors import BackupUnusable, RestoreError, plain_words
from cli.process.spawn import Account
from cli.settings import forget_libpq_variables
from cli.urls import storage_settings

COMMAND = "restore"
_KEPT = {"lock", "log", "unfinished"}  # not data, or made anew by every run
_LOCK_SECONDS = 1.0


@dataclass(frozen=True)
class Restored:
    """A restored folder: its backup, and what was done to bring its servers into agreement."""

    folder: Path
    manifest: Manifest
    agreement: Agreement

    @property
    def missing(self) -> int:
        """Return how many events are missing that were accepted before the backup began."""
        accounted = self.agreement.accounted
        return sum(
            max(count - accounted.get(int(shard), 0), 0)
            for shard, count in self.manifest.accepted.items()
        )


def checked_backup(folder: Path) -> Manifest:
    """Return the manifest of a backup that is whole and fits this installation.

    Raises `BackupUnusable`, `NotInstalled`. Main thread only.
    """
    manifest = read(folder)
    _require_fit(manifest)
    queue = folder / QUEUE / FOLDER
    for each in manifest.queue_files:
        require_unchanged(queue / Path(each.name).name, each)
    _require_nothing_else(queue, {each.name for each in manifest.queue_files})
    postgres = folder / POSTGRES / POSTGRES_MANIFEST
    if not postgres.exists() or hash_of(postgres).sha256 != manifest.postgres_manifest:
        raise BackupUnusable(f"the backup is not whole, or was changed: see {postgres}")
    for each in manifest.wal_files:
        require_unchanged(folder / POSTGRES / WAL / Path(each.name).name, each)
    require_whole_cluster(folder / POSTGRES)
    return manifest


def _require_nothing_else(folder: Path, names: Collection[str]) -> None:
    """Raise `BackupUnusable` if the folder has a file that the backup did not write."""
    for entry in sorted(folder.iterdir()):
        if entry.name not in names:
            raise BackupUnusable(f"the backup was changed: {entry} was not in it")


def restore_backup(backup: Path, data_dir: Path, erasures: Erasures = ()) -> Restored:
    """Restore a backup into a data folder that is missing or empty. Main thread only.

    `erasures`: those of later than the backup, which are done again. Raises `BackupUnusable`,
    `RestoreError`, `EmbeddedError`, `StorageError`, `OSError`.
    """
    source = backup.expanduser().resolve()
    root = checked_folder(data_dir)
    _require_free(root, source)
    manifest = checked_backup(source)
    needed = size_of(source)
    require_room(_existing(root), needed, RestoreError)
    layout, account = prepare_folder(root)
    with folder_lock(layout.lock, _LOCK_SECONDS) as lock_fd:
        _require_free(root, source)  # another run may have had the folder since
        with unfinished(layout, COMMAND):
            _clear(layout)
            with _removed_on_failure(layout):
                _copy(source, layout, account)
            agreement = _agree(layout, account, lock_fd, erasures)
    return Restored(root, manifest, agreement)


def _agree(layout: Layout, account: Account | None, lock_fd: int, erasures: Erasures) -> Agreement:
    forget_libpq_variables()
    with running_servers(layout, account, lock_fd, pause=time.sleep) as servers:
        return agree(storage_settings(servers.urls), erasures)


def _require_fit(manifest: Manifest) -> None:
    from storage.postgres.migrate import known_revisions

    major = major_of_program(installed_programs().postgres)
    if manifest.postgres != major:
        raise BackupUnusable(
            f"the backup is of PostgreSQL {manifest.postgres}, and {major} is installed: restore "
            f"it with the release that made it ({manifest.activity}), then run `activity upgrade`"
        )
    if manifest.migration not in known_revisions():
        raise BackupUnusable(
            f"the backup is of a later release ({manifest.activity}): its database is at migration "
            f"{manifest.migration}, which this one does not know. Install that release"
        )


def _require_free(root: Path, source: Path) -> None:
    """Raise `RestoreError` unless the folder is missing, empty, or left by an unfinished restore.

    The lock, the logs and the mark do not count.
    """
    if root == source or source in root.parents or root in source.parents:
        raise RestoreError(f"{root} and the backup {source} contain one another")
    if not os.path.lexists(root) or mark_of(root) == COMMAND:
        return
    others = sorted(entry.name for entry in root.iterdir() if entry.name not in _KEPT)
    if others:
        raise RestoreError(
            f"the data folder {root} is not empty ({_some(others)}): restore into a new one. "
            "Nothing was changed"
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _clear(layout: Layout) -> None:
    """Remove what an interrupted restore has left."""
    for entry in layout.root.iterdir():
        if entry.name in _KEPT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


@contextmanager
def _removed_on_failure(layout: Layout) -> Iterator[None]:
    """Remove what was copied if the block raises: it may have filled the disk."""
    try:
        yield
    except BaseException as error:
        with suppress(OSError):
            _clear(layout)
            remove_mark(layout)
        if isinstance(error, OSError):
            raise RestoreError(
                f"nothing was restored to {layout.root}: {plain_words(error)}; what was written is "
                "removed"
            ) from error
        raise


def _copy(source: Path, layout: Layout, account: Account | None) -> None:
    copy_tree(source / QUEUE, layout.valkey(QUEUE), account)
    copy_tree(source / POSTGRES, layout.cluster, account, without=(POSTGRES_MANIFEST, NAME))
