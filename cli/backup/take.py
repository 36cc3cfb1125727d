"""Make a backup of the running embedded service: the queue first, then PostgreSQL.

This order loses nothing. An event that leaves the queue after its copy is in PostgreSQL before the
copy of PostgreSQL ends. In the other order it would be in neither.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cli.backup.aof_copy import open_files
from cli.backup.cluster_copy import copy_cluster, require_whole_cluster
from cli.backup.manifest import NAME, POSTGRES, QUEUE, WAL, CopiedFile, Manifest, hashes_in, write
from cli.backup.room import require_room, size_of
from cli.embedded.aof_folder import AofFolder
from cli.embedded.layout import Layout
from cli.embedded.major import major_of_data
from cli.errors import BackupFailed, Interrupted, plain_words
from cli.safe_files import sync_folder
from cli.urls import Urls, storage_settings

if TYPE_CHECKING:
    from storage.settings import StorageSettings


@dataclass(frozen=True)
class Before:
    """What the servers say before anything is copied."""

    complete_until: str
    accepted: dict[str, int]
    queue_version: str


def take_backup(layout: Layout, urls: Urls, target: Path) -> Manifest:
    """Back the service up into `target`, a new or empty folder. Main thread only.

    Raises `BackupFailed`, `NotInstalled`, `StorageError`: then what it had made is removed. A
    kill leaves a folder without a manifest, which nothing takes for a backup.
    """
    folder = target.expanduser().resolve()
    if folder == layout.root or layout.root in folder.parents or folder in layout.root.parents:
        raise BackupFailed(f"{folder} and the data folder {layout.root} contain one another")
    settings = storage_settings(urls)
    with _made(folder), _removed_on_failure(folder):
        require_room(folder, size_of(layout.cluster, layout.valkey(QUEUE)), BackupFailed)
        before = _ask_queue(settings)
        with open_files(AofFolder(layout.valkey(QUEUE))) as files:
            copied = files.copy_to(folder / QUEUE)
        ledger = _totals(settings)
        postgres_manifest = copy_cluster(urls.database_url, folder / POSTGRES)
        require_whole_cluster(folder / POSTGRES)
        manifest = _manifest(settings, folder, before, copied, ledger, postgres_manifest)
        write(folder, manifest)
    return manifest


def _ask_queue(settings: "StorageSettings") -> Before:
    from storage.queue import counters
    from storage.redis.client import connect
    from storage.server_errors import queue_errors

    began = datetime.now(UTC).isoformat(timespec="milliseconds")
    with connect(settings.queue_url) as queue:
        shards = counters.shards_of(queue, settings.shards)
        accepted = counters.accepted_counts(queue, shards)
        with queue_errors():
            info = cast(dict[str, Any], queue.info("server"))
    named = str(info.get("valkey_version") or info.get("redis_version"))
    return Before(began, {str(shard): count for shard, count in accepted.items()}, named)


def _totals(settings: "StorageSettings") -> dict[str, int]:
    from storage.events.ledger import read_accounts
    from storage.postgres.engine import short_engine

    with short_engine(settings.database_url) as engine:
        accounts = read_accounts(engine)
    return {str(shard): account.total for shard, account in accounts.items()}


def _manifest(
    settings: "StorageSettings",
    folder: Path,
    before: Before,
    copied: list[CopiedFile],
    ledger: dict[str, int],
    postgres_manifest: str,
) -> Manifest:
    from storage.postgres.migrate import current_revision
    from storage.postgres.presence import server_version

    return Manifest(
        complete_until=before.complete_until,
        finished_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        activity=version("activity-service"),
        postgres=major_of_data(folder / POSTGRES) or 0,
        postgres_version=server_version(settings.database_url),
        queue_version=before.queue_version,
        migration=current_revision(settings.database_url) or "",
        accepted=before.accepted,
        ledger=ledger,
        queue_files=copied,
        postgres_manifest=postgres_manifest,
        wal_files=hashes_in(folder / POSTGRES / WAL),
    )


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make the folder of the backup if it is missing, and remove what was made if the block raises.

    Raises `BackupFailed`.
    """
    missing: list[Path] = []
    try:
        try:
            missing += [part for part in (folder, *folder.parents) if not part.exists()]
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _require_usable(folder)
            sync_folder(folder.parent)
        except OSError as error:
            why = plain_words(error, folder)
            raise BackupFailed(f"{folder} can't be used: {why}") from None
        yield
    except BaseException:
        for part in missing:
            with suppress(OSError):
                part.rmdir()
        raise


def _require_usable(folder: Path) -> None:
    """Raise `BackupFailed` unless the folder is empty and this user's; close it to others."""
    if any(folder.iterdir()):
        raise BackupFailed(
            f"{folder} is not empty: give each backup a folder of its own. (What an "
            "interrupted backup has left may be removed: it is no backup.)"
        )
    if folder.stat().st_uid != os.geteuid():
        raise BackupFailed(f"{folder} belongs to another user")
    folder.chmod(0o700)


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    """Remove what is in the folder if the block raises: it may have filled the disk."""
    try:
        yield
    except BaseException as error:
        (folder / NAME).unlink(missing_ok=True)
        for part in (QUEUE, POSTGRES):
            shutil.rmtree(folder / part, ignore_errors=True)
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted(f"; what was written to {folder} is removed") from None
        if isinstance(error, OSError):
            raise BackupFailed(
                f"the backup in {folder} is not finished: {plain_words(error)}; what was written "
                "is removed"
            ) from error
        raise
