"""The manifest of a backup: what is in it, and of which versions. It is written last."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cli.errors import BackupUnusable
from cli.safe_files import open_file, read_small, replace_file

NAME = "backup.json"
QUEUE = "queue"
POSTGRES = "postgres"
POSTGRES_MANIFEST = "backup_manifest"  # pg_basebackup's, with a hash of each file but WAL
WAL = "pg_wal"
_FORM = 1
_TEXTS = (
    "complete_until",
    "finished_at",
    "activity",
    "postgres_version",
    "queue_version",
    "migration",
    "postgres_manifest",
)
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class CopiedFile:
    """A file of the backup: its name, its size in bytes, and its SHA-256."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup holds.

    `complete_until`: every event that was acknowledged before this instant (ISO 8601) is there.
    `accepted`: how many events each shard had accepted then. `ledger`: how many each shard's
    account had at least when the copy of PostgreSQL began. `migration`: that of the database.
    `postgres_manifest`: the SHA-256 of the file that has the hash of every file of PostgreSQL but
    of `wal_files`.
    """

    complete_until: str
    finished_at: str
    activity: str
    postgres: int
    postgres_version: str
    queue_version: str
    migration: str
    accepted: Mapping[str, int]
    ledger: Mapping[str, int]
    queue_files: Sequence[CopiedFile]
    postgres_manifest: str
    wal_files: Sequence[CopiedFile]

    def summary(self) -> dict[str, Any]:
        """Return what a command says of the backup as JSON."""
        return {
            "complete_until": self.complete_until,
            "finished_at": self.finished_at,
            "activity": self.activity,
            "postgres": self.postgres_version,
            "queue": self.queue_version,
            "migration": self.migration,
            "events": sum(self.accepted.values()),
        }


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, which makes the folder a backup. It is on disk when this returns."""
    document = {"form": _FORM, **asdict(manifest)}
    replace_file(folder / NAME, json.dumps(document, indent=1) + "\n", sync=True)


def read(folder: Path) -> Manifest:
    """Return the manifest of a backup. Raises `BackupUnusable`, `NotAFile`, `OSError`."""
    try:
        document = json.loads(read_small(folder / NAME))
    except (FileNotFoundError, NotADirectoryError):
        raise BackupUnusable(
            f"{folder} is no backup, or one that was not finished: it has no {NAME}"
        ) from None
    except (ValueError, RecursionError):
        raise BackupUnusable(f"{folder / NAME} is damaged: it is not JSON") from None
    return _manifest(document, folder / NAME)


def _manifest(document: Any, path: Path) -> Manifest:
    if not isinstance(document, dict) or document.pop("form", None) != _FORM:
        raise BackupUnusable(f"{path} has another form: a later version has written this backup")
    try:
        queue, wal = (
            [CopiedFile(**each) for each in document.pop(name)]
            for name in ("queue_files", "wal_files")
        )
        manifest = Manifest(queue_files=queue, wal_files=wal, **document)
    except (KeyError, TypeError, AttributeError):
        raise BackupUnusable(f"{path} is damaged: fields are missing, or unknown") from None
    if not _is_plausible(manifest):
        raise BackupUnusable(f"{path} is damaged: a field has a value that it never has")
    return manifest


def _is_plausible(manifest: Manifest) -> bool:
    """Return whether each value is of its type, and each file has the name of a file."""
    files = [*manifest.queue_files, *manifest.wal_files]
    counts = [manifest.accepted, manifest.ledger]
    return (
        all(isinstance(getattr(manifest, each), str) for each in _TEXTS)
        and isinstance(manifest.postgres, int)
        and all(_is_file_name(each.name) and isinstance(each.sha256, str) for each in files)
        and all(isinstance(each, dict) for each in counts)
        and all(shard.isdecimal() for each in counts for shard in each)
        and all(isinstance(count, int) for each in counts for count in each.values())
    )


def _is_file_name(name: object) -> bool:
    if not isinstance(name, str) or not name.isprintable() or name in ("", ".."):
        return False
    return Path(name).name == name


def hash_of(path: Path) -> CopiedFile:
    """Return a file's name, size and hash. Raises `NotAFile`, `OSError`."""
    digest, size = hashlib.sha256(), 0
    with os.fdopen(open_file(path, os.O_RDONLY), "rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
    return CopiedFile(path.name, size, digest.hexdigest())


def hashes_in(folder: Path) -> list[CopiedFile]:
    """Return the hash of each file in a folder, by name. Raises `NotAFile`, `OSError`."""
    return [hash_of(path) for path in sorted(folder.iterdir()) if not path.is_dir()]


def require_unchanged(path: Path, expected: CopiedFile) -> None:
    """Raise `BackupUnusable` if a file is missing or is not as it was written."""
    try:
        found = hash_of(path)
    except FileNotFoundError:
        raise BackupUnusable(f"the backup is not whole: {path} is missing") from None
    if found != expected:
        raise BackupUnusable(f"the backup was changed: {path} is not as it was written")
