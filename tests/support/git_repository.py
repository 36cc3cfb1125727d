"""A repository that real git makes."""

import os
import subprocess
from pathlib import Path

import pytest

from git_events import Event, to_event
from git_log import Repository


class GitRepository:
    """A repository in its own folder, independent of the user's git configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, author: str = "Ada", email: str = "ada@example.com") -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": author,
            "GIT_AUTHOR_EMAIL": email,
            "GIT_AUTHOR_DATE": "2024-02-29T12:00:00+02:00",
            "GIT_COMMITTER_NAME": "Grace",
            "GIT_COMMITTER_EMAIL": "grace@example.com",
            "GIT_COMMITTER_DATE": "2024-03-01T08:30:00-05:30",
        }
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=environment, check=True, capture_output=True
        )
        return done.stdout.decode("utf-8", "replace").strip()

    def write(self, name: str, content: str | bytes) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str, **author: str) -> str:
        self.git("add", "--all")
        self.write(".git/message", message)
        allow = ("--allow-empty", "--allow-empty-message")
        self.git("commit", "-q", *allow, "-F", ".git/message", **author)
        return self.git("rev-parse", "HEAD")

    def commit_bytes(
        self, message: bytes, *headers: bytes, date: bytes = b"1709200800 +0100"
    ) -> None:
        """Return a commit object with bytes that `git commit` would not write."""
        tree, parent = self.git("rev-parse", "HEAD^{tree}"), self.git("rev-parse", "HEAD")
        lines = [
            b"tree " + tree.encode(),
            b"parent " + parent.encode(),
            b"author J\xf6rg <joerg@example.com> " + date,
            b"committer J\xf6rg <joerg@example.com> " + date,
            *headers,
        ]
        self.write(".git/odd-commit", b"\n".join(lines) + b"\n\n" + message)
        self.git(
            "update-ref",
            "HEAD",
            self.git("hash-object", "--literally", "-t", "commit", "-w", ".git/odd-commit"),
        )

    def events(self, environment: str = "test", since: str | None = None) -> list[Event]:
        repository = Repository(str(self.path))
        commits = repository.commits(repository.head(), since)
        return [to_event(commit, environment) for commit in commits]


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    return GitRepository(tmp_path / "repository")
