"""The code of before the latest migration, from the history of the repository."""

import subprocess
from pathlib import Path

import pytest

from storage.postgres.schema import known_revision

ROOT = Path(__file__).parents[2]
_PARTS = ("api", "worker", "storage", "migrations", "cli")


def previous_commit() -> str:
    """Return the last commit that does not have the latest migration.

    Fails the test in a clone without history; skips it where there is no repository at all.
    """
    if not (ROOT / ".git").exists():
        pytest.skip("no repository here, as in an unpacked release")
    if _git("rev-parse", "--is-shallow-repository") == "true":
        pytest.fail("this clone has no history: git fetch --unshallow (.ci/run does it)")
    (file,) = (ROOT / "migrations/versions").glob(f"{known_revision()}_*.py")
    name = str(file.relative_to(ROOT))
    added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", name)
    return _git("rev-parse", f"{added}^") if added else _git("rev-parse", "HEAD")


def extract(commit: str, folder: Path) -> None:
    """Put the code of a commit into a folder."""
    archive = subprocess.run(
        ["git", "archive", commit, *_PARTS], cwd=ROOT, capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)


def revision_of(folder: Path) -> str:
    """Return the latest migration that the code in a folder knows."""
    return max(file.name[:4] for file in (folder / "migrations/versions").glob("[0-9]*.py"))


def _git(*arguments: str) -> str:
    ended = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return ended.stdout.strip()
