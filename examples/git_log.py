"""Read the commits of a repository from the output of git."""

import os
import re
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import IO

from example_error import ExampleError
from git_events import Commit, Header

# NUL cannot occur in any of these; git folds the subject into one line.
LOG_FIELDS = ("%H", "%P", "%an", "%ae", "%ad", "%cd", "%s")
# git puts a line feed between a commit's header and its first count.
NUMSTAT = re.compile(rb"\n?(\d+|-)\t(\d+|-)\t(.*)", re.DOTALL)
# What a user's configuration could change in the output, or run.
GIT_CONFIG = ("log.showSignature=false", "log.showRoot=true", "diff.relative=false")


def nul_separated(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the parts of a stream between NULs, as they are read."""
    rest = b""
    while chunk := stream.read(65_536):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole
    if rest:
        yield rest


def parse_log(tokens: Iterable[bytes]) -> Iterator[Commit]:
    """Yield commits from the tokens of `git log -z --numstat --format=<LOG_FIELDS>`.

    A commit is the fields of its header, then `insertions TAB deletions TAB path` for each file. A
    renamed file has an empty path, and the old and the new path follow. A header starts with a
    hash, which never looks like a count, so no file name or subject can be read as a header.
    """
    tokens = iter(tokens)
    token = next(tokens, None)
    while token is not None:
        fields = [token, *islice(tokens, len(LOG_FIELDS) - 1)]
        if len(fields) < len(LOG_FIELDS):
            return  # git stopped early; its exit status says so
        commit = Commit(Header(*map(_decode, fields)))
        token = _read_files(tokens, commit)
        yield commit


def _read_files(tokens: Iterator[bytes], commit: Commit) -> bytes | None:
    """Add the files that follow to the commit; return the first token that is not a file."""
    for token in tokens:
        counts = NUMSTAT.fullmatch(token)
        if counts is None:
            return token
        insertions, deletions, path = counts.groups()
        if not path:
            _, path = next(tokens, b""), next(tokens, b"")
        commit.add_file(_lines(insertions), _lines(deletions), _decode(path))
    return None


def _lines(count: bytes) -> int:
    """Parse a count; git writes `-` for a binary file."""
    return 0 if count == b"-" else int(count)


def _decode(part: bytes) -> str:
    return part.decode("utf-8", "replace")


class Repository:
    """A git repository, read by git's own commands; never through a shell."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).resolve()
        if not self.path.is_dir():
            raise ExampleError(f"{path} is not a folder")
        self._ask("rev-parse", "--git-dir")

    def branch(self) -> str:
        """Return the current branch, or "detached"."""
        try:
            return self._ask("symbolic-ref", "--short", "-q", "HEAD")
        except ExampleError:
            return "detached"

    def head(self) -> str:
        """Return the hash of HEAD. Raises ExampleError if there is no commit."""
        try:
            return self._ask("rev-parse", "--verify", "-q", "HEAD^{commit}")
        except ExampleError:
            raise ExampleError(f"{self.path} has no commits yet") from None

    def count(self, head: str, since: str | None) -> int:
        """Return the number of commits."""
        return int(self._ask("rev-list", "--count", *_since(since), head, "--"))

    def commits(self, head: str, since: str | None) -> Generator[Commit]:
        """Yield commits, oldest first; git's output is read only as fast as commits are taken."""
        command = self._command(
            "log", "-z", "--reverse", "--numstat", "-M", "--no-ext-diff", "--no-textconv",
            "--no-color", "--encoding=UTF-8", "--date=raw", f"--format={'%x00'.join(LOG_FIELDS)}",
            *_since(since), head, "--",
        )  # fmt: skip
        with tempfile.TemporaryFile() as complaints, self._start(command, complaints) as git:
            assert git.stdout is not None
            try:
                yield from parse_log(nul_separated(git.stdout))
            except BaseException:  # also when the reader stops early
                git.kill()
                raise
            if git.wait():
                complaints.seek(0)
                raise ExampleError(f"git log: {_last_line(complaints.read())}")

    def _start(self, command: list[str], complaints: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=complaints, stdin=subprocess.DEVNULL,
            env=_git_environment(),
        )  # fmt: skip

    def _ask(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                self._command(*arguments), capture_output=True, env=_git_environment(), check=False
            )
        except FileNotFoundError:
            raise ExampleError("git is not installed") from None
        if done.returncode:
            raise ExampleError(f"{self.path}: {_last_line(done.stderr)}")
        return os.fsdecode(done.stdout).strip()

    def _command(self, *arguments: str) -> list[str]:
        settings = [word for setting in GIT_CONFIG for word in ("-c", setting)]
        return ["git", "-C", str(self.path), "--no-pager", *settings, *arguments]


def _since(since: str | None) -> list[str]:
    return [f"--since={since}"] if since else []


def _git_environment() -> dict[str, str]:
    """Return our environment without variables that name another repository (set inside hooks)."""
    pointers = _local_variables() | {"GIT_NAMESPACE", "GIT_QUARANTINE_PATH"}
    return {name: value for name, value in os.environ.items() if name not in pointers}


@cache
def _local_variables() -> frozenset[str]:
    """Return the variables that git itself calls local to a repository."""
    done = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True, check=True)
    return frozenset(_decode(done.stdout).split())


def _last_line(output: bytes) -> str:
    lines = _decode(output).strip().splitlines()
    return lines[-1] if lines else "git failed and did not say why"
