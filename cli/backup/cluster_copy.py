"""Copy PostgreSQL's data while it runs, and check a copy, with PostgreSQL's own programs."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cli.backup.manifest import POSTGRES_MANIFEST, hash_of
from cli.backup.programs import run_to_end
from cli.embedded.binaries import installed_programs
from cli.embedded.postgres import NAME
from cli.errors import BackupFailed, BackupUnusable, NotInstalled


def copy_cluster(database_url: str, target: Path) -> str:
    """Copy the server's data to `target`, which this makes, with all WAL that the copy needs.

    Returns the SHA-256 of its manifest. The copy is on disk. Raises `BackupFailed`, `NotInstalled`.
    """
    query = {name: values[0] for name, values in parse_qs(urlsplit(database_url).query).items()}
    ended = run_to_end(
        [
            _program("pg_basebackup"),
            f"--host={query['host']}",
            f"--port={query['port']}",
            f"--username={NAME}",
            "--no-password",
            f"--pgdata={target}",
            "--wal-method=stream",
            "--checkpoint=fast",
            "--manifest-checksums=SHA256",
        ]
    )
    if ended.status:
        raise BackupFailed(f"PostgreSQL could not be copied to {target}: {ended.said}")
    return hash_of(target / POSTGRES_MANIFEST).sha256


def require_whole_cluster(copy: Path) -> None:
    """Raise `BackupUnusable` if any file of a copy is missing or changed, or WAL is missing."""
    ended = run_to_end([_program("pg_verifybackup"), "--quiet", str(copy)])
    if ended.status:
        raise BackupUnusable(f"the copy of PostgreSQL in {copy} is not whole: {ended.said}")


def _program(name: str) -> str:
    found = installed_programs().postgres.with_name(name)
    if not found.exists():
        raise NotInstalled(f"the embedded PostgreSQL has no {name}: {found} is missing")
    return str(found)
