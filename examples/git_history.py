#!/usr/bin/env python3
"""Fill the Activity Service with the history of a git repository: one event per commit.

    python examples/git_history.py [REPO] [--url http://127.0.0.1:5000] [--environment NAME]
                                   [--since DATE] [--concurrency 8]

Needs Python 3.11 and git, nothing else. Every commit that HEAD reaches becomes exactly one event:

component    the top folder of the change: the one with the most changed lines, then the most
             files, then the first by name. It is "root" for files at the top level, and for a
             merge or an empty commit, which changes no file of its own
environment  --environment, or the current branch ("detached" when HEAD is on none)
email        the author's address if it is valid by HTML's rule (and so for the service) and has
             at most 254 characters; else left out. `data.author_email` always has the original
message      the subject, or "(no subject)"
data         hash, author, author_email, authored_at, committed_at, files, insertions, deletions,
             merge, paths. A date that git can't read, or after the year 9999, is null

Texts are cut so that no commit is refused for its size: component and environment at 255
characters, the message at 8,192, `paths` after 100 names or 16,384 characters, all others at 1,000.
Bytes that are not UTF-8 become U+FFFD.

After 503 or 429 an event is sent again after the service's `Retry-After`; after a broken connection
it is sent again with growing pauses. The run stops when the service has accepted nothing for 30
seconds. Each event has an `Idempotency-Key` made from its content, so an event that is sent again
within 24 hours, even by a second run, is stored once. The summary says how many events existed
already.

Exit status: 0 all posted, 1 some refused or the run stopped, 2 wrong usage, 130 interrupted.
"""

import argparse
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import count, islice
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

Event = dict[str, Any]

ROOT = "root"
NAME_LIMIT = 255
MESSAGE_LIMIT = 8_192
TEXT_LIMIT = 1_000
PATHS_LIMIT = 100
PATHS_CHARACTERS = 16_384
EMAIL_LIMIT = 254
RETRY_SECONDS = 30.0
MAX_PAUSE = 60.0
TIMEOUT_SECONDS = 10.0
PROGRESS_SECONDS = 0.5
CLEAR_LINE = "\r\x1b[K"

# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
EMAIL = re.compile(rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*")

# NUL cannot occur in any of these; git folds the subject into one line.
LOG_FIELDS = ("%H", "%P", "%an", "%ae", "%ad", "%cd", "%s")
# `--date=raw`: seconds since 1970 and an offset. Other forms stop git at dates before 1970.
RAW_DATE = re.compile(r"(\d+) ([+-])(\d\d)(\d\d)")
# git puts a line feed between a commit's header and its first count.
NUMSTAT = re.compile(rb"\n?(\d+|-)\t(\d+|-)\t(.*)", re.DOTALL)
# What a user's configuration could change in the output, or run.
GIT_CONFIG = ("log.showSignature=false", "log.showRoot=true", "diff.relative=false")


class ExampleError(Exception):
    """The run cannot continue; the message is for the user."""


# -- commits -> events -------------------------------------------------------------------------


class Header(NamedTuple):
    """The fields of `LOG_FIELDS`, in the same order."""

    hash: str
    parents: str
    author: str
    author_email: str
    authored_at: str
    committed_at: str
    subject: str


@dataclass
class Commit:
    """One commit. Its files are counted one by one; only the first names are kept."""

    header: Header
    files: int = 0
    insertions: int = 0
    deletions: int = 0
    paths: list[str] = field(default_factory=list)
    paths_characters: int = 0
    folders: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def add_file(self, insertions: int, deletions: int, path: str) -> None:
        """Count a file and its changed lines."""
        self.files += 1
        self.insertions += insertions
        self.deletions += deletions
        folder = self.folders[top_folder(path)]
        folder[0] += insertions + deletions
        folder[1] += 1
        self._keep_path(path)

    def _keep_path(self, path: str) -> None:
        self.paths_characters += len(path)
        if len(self.paths) < PATHS_LIMIT and self.paths_characters <= PATHS_CHARACTERS:
            self.paths.append(path)

    def component(self) -> str:
        """Return the folder with the most changed lines, then files, then the first by name."""
        if not self.folders:
            return ROOT
        return min(
            self.folders, key=lambda name: (-self.folders[name][0], -self.folders[name][1], name)
        )


def top_folder(path: str) -> str:
    """Return the top folder of a path: `storage` for `storage/queue/lua/append.lua`.

    Return "root" for a file at the top level, or below a folder with a blank name, because the
    service requires a component that is not blank.
    """
    folder, slash, _ = path.partition("/")
    name = clean(folder, NAME_LIMIT)
    return name if slash and name.strip() else ROOT


def clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """Remove what the service refuses, NUL and lone surrogates, and cut at `limit` characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")[:limit]


def iso_date(raw: str) -> str | None:
    """Return `2024-02-29T11:00:00+01:00` for `1709200800 +0100`; None for an invalid date."""
    parts = RAW_DATE.fullmatch(raw)
    if parts is None:
        return None
    seconds, sign, hours, minutes = parts.groups()
    try:
        offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
        date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(seconds))
        return date.astimezone(timezone(offset)).isoformat()
    except (OverflowError, ValueError):
        return None


def valid_email(address: str) -> bool:
    """Return whether HTML, and so the service, accepts the address."""
    return len(address) <= EMAIL_LIMIT and EMAIL.fullmatch(address) is not None


def to_event(commit: Commit, environment: str) -> Event:
    """Make the event of a commit."""
    header = commit.header
    event: Event = {
        "component": commit.component(),
        "environment": clean(environment, NAME_LIMIT),
        "message": clean(header.subject, MESSAGE_LIMIT).strip() or "(no subject)",
        "data": to_data(commit),
    }
    if valid_email(header.author_email):
        event["email"] = header.author_email
    return event


def to_data(commit: Commit) -> dict[str, Any]:
    """Make the event's `data` of a commit."""
    header = commit.header
    return {
        "hash": header.hash,
        "author": clean(header.author),
        "author_email": clean(header.author_email),
        "authored_at": iso_date(header.authored_at),
        "committed_at": iso_date(header.committed_at),
        "files": commit.files,
        "insertions": commit.insertions,
        "deletions": commit.deletions,
        "merge": " " in header.parents,
        "paths": commit.paths,
    }


# -- git's output -> commits -------------------------------------------------------------------


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


# -- events -> the service ---------------------------------------------------------------------


@dataclass
class Answer:
    """The service's answer; status 0 means none, and the body has the reason."""

    status: int
    body: bytes
    retry_after: str | None = None
    replayed: bool = False  # an earlier request has posted the same event

    @property
    def accepted(self) -> bool:
        """Tell whether the event was accepted."""
        return 200 <= self.status < 300

    @property
    def asks_to_come_again(self) -> bool:
        """Tell whether a retry may succeed."""
        return self.status in (0, 409, 429, 503)

    def __str__(self) -> str:
        return f"{self.status or 'no answer'}: {self._detail()}"

    def _detail(self) -> str:
        """Return the errors of an RFC 9457 body in one line."""
        try:
            problem = json.loads(self.body)
        except ValueError:
            problem = None
        if not isinstance(problem, dict):
            return _decode(self.body[:200])
        parts = [problem.get("detail") or problem.get("title"), problem.get("errors")]
        return " ".join(p if isinstance(p, str) else json.dumps(p) for p in parts if p)


class Client:
    """A connection that is kept open; used by one thread."""

    def __init__(self, url: SplitResult) -> None:
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        self._base = url.path.rstrip("/")
        self._connection = kind(url.hostname or "", url.port, timeout=TIMEOUT_SECONDS)

    def get(self, path: str) -> Answer:
        """Send a GET."""
        return self._ask("GET", path)

    def post(self, path: str, event: Event) -> Answer:
        """Post an event under a key made from its content."""
        body = json.dumps(event, ensure_ascii=False).encode()
        key = hashlib.sha256(body).hexdigest()
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return self._ask("POST", path, body, headers)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        try:
            self._connection.request(method, self._base + path, body, headers or {})
            response = self._connection.getresponse()
            return Answer(
                response.status,
                response.read(),
                response.getheader("Retry-After"),
                response.getheader("Idempotency-Replayed") == "true",
            )
        except (OSError, HTTPException) as failure:
            self._connection.close()  # the next request opens a new one
            text = getattr(failure, "strerror", None) or str(failure) or type(failure).__name__
            return Answer(0, text.encode())


class Feed:
    """Give the events to several threads one by one, so that none wait in memory."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._lock = threading.Lock()
        self.stopped = threading.Event()

    def __iter__(self) -> Iterator[Event]:
        while (event := self._take()) is not None:
            yield event

    def _take(self) -> Event | None:
        with self._lock:
            return None if self.stopped.is_set() else next(self._events, None)


class Tally:
    """Count the results of the events, and print them while the run continues."""

    def __init__(self, commits: int) -> None:
        self.commits = commits
        self.posted = 0
        self.there_already = 0
        self.refused = 0
        self.first_problem = ""
        self.last_accepted = self._started = self._shown = time.monotonic()
        self._lock = threading.Lock()

    def count(self, event: Event, answer: Answer) -> None:
        """Count the answer for one event."""
        with self._lock:
            if answer.accepted:
                self.posted += not answer.replayed
                self.there_already += answer.replayed
                self.last_accepted = time.monotonic()
            else:
                self.refused += 1
                problem = f"commit {event['data']['hash'][:12]}: {answer}"
                self.first_problem = self.first_problem or problem
            self._show_progress()

    def summary(self) -> str:
        """Return one line about the whole run."""
        seconds = max(time.monotonic() - self._started, 1e-6)
        done = f"posted {self.posted} events of {self.commits} commits"
        if self.there_already:
            done += f", {self.there_already} were there already,"
        return f"{done} in {seconds:.1f} s ({self.posted / seconds:.0f}/s)"

    def _show_progress(self) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._shown >= PROGRESS_SECONDS:
            self._shown = now
            print(f"{CLEAR_LINE}{self.summary()}", end="", file=sys.stderr, flush=True)

    def end_progress(self) -> None:
        """Remove the progress line from a terminal."""
        if sys.stderr.isatty():
            print(CLEAR_LINE, end="", file=sys.stderr, flush=True)


def post_all(url: SplitResult, events: Iterator[Event], tally: Tally, concurrency: int) -> None:
    """Post with that many threads; the first error in one of them stops all, and is raised."""
    feed = Feed(events)
    with ThreadPoolExecutor(concurrency) as threads:
        running = [threads.submit(post_some, url, feed, tally) for _ in range(concurrency)]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:  # also on Ctrl-C; after a normal end nothing is left to stop
            feed.stopped.set()
    for future in running:
        future.result()


def post_some(url: SplitResult, feed: Feed, tally: Tally) -> None:
    """Post events from the feed until it is empty; the work of one thread."""
    client = Client(url)
    try:
        for event in feed:
            answer = post_patiently(client, event, feed, tally)
            if answer:
                tally.count(event, answer)
    finally:
        client.close()


def post_patiently(client: Client, event: Event, feed: Feed, tally: Tally) -> Answer | None:
    """Post until the service gives a final answer; None when the run was stopped before."""
    failing_since = 0.0
    for attempt in count():
        answer = client.post("/events", event)
        if not answer.asks_to_come_again:
            answer.replayed &= attempt == 0  # else this run may have posted it without an answer
            return answer
        failing_since = failing_since or time.monotonic()
        if time.monotonic() - max(failing_since, tally.last_accepted) > RETRY_SECONDS:
            raise ExampleError(f"nothing was accepted for {RETRY_SECONDS:.0f} s; {answer}")
        if feed.stopped.wait(pause(answer, attempt)):
            break
    return None


def pause(answer: Answer, attempt: int) -> float:
    """Return the seconds to wait: those of `Retry-After`, at most 60, or growing ones.

    Without the header, or with a date in it: 0.1, 0.2, 0.4 ... 5, each shortened by up to half, so
    that the threads do not retry together.
    """
    asked = (answer.retry_after or "").strip()
    if asked.isdecimal():
        return min(float(asked), MAX_PAUSE)
    return min(5.0, 0.1 * 2.0 ** min(attempt, 10)) * random.uniform(0.5, 1.0)  # noqa: S311


# -- the command -------------------------------------------------------------------------------


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description="Post the history of a git repository, one event per commit."
    )
    parser.add_argument("repo", nargs="?", default=".", help="the repository (default: here)")
    parser.add_argument(
        "--url",
        type=service_url,
        default=os.environ.get("ACTIVITY_URL") or "http://127.0.0.1:5000",
        help="where the service is (default: ACTIVITY_URL, else http://127.0.0.1:5000)",
    )
    parser.add_argument(
        "--environment",
        type=not_blank,
        help="the events' environment (default: the current branch)",
    )
    parser.add_argument("--since", help='commits newer than this, as git reads it: "2 weeks ago"')
    parser.add_argument(
        "--concurrency",
        type=thread_count,
        default=8,
        help="connections used at once, 1 to 64 (default: %(default)s)",
    )
    return parser.parse_args(arguments)


def service_url(text: str) -> SplitResult:
    """Return a valid URL of a service."""
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is not an http:// or https:// address")
    try:
        _ = url.port
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None
    return url


def not_blank(text: str) -> str:
    """Return a text that is not blank."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be blank")
    return text


def thread_count(text: str) -> int:
    """Return a number of threads."""
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 64")
    return int(text)


def require_service(url: SplitResult) -> None:
    """Exit with one clear line if the service does not answer, before any commit is read."""
    client = Client(url)
    answer = client.get("/health")
    client.close()
    if not answer.accepted:
        raise ExampleError(
            f"no Activity Service at {url.geturl()}; {answer}. Another is named with --url or "
            "ACTIVITY_URL"
        )


def run(arguments: argparse.Namespace) -> int:
    """Post the history; return the exit status."""
    repository = Repository(arguments.repo)
    head = repository.head()
    environment = arguments.environment or repository.branch()
    require_service(arguments.url)
    tally = Tally(repository.count(head, arguments.since))
    with closing(repository.commits(head, arguments.since)) as commits:
        events = (to_event(commit, environment) for commit in commits)
        try:
            post_all(arguments.url, events, tally, arguments.concurrency)
        finally:
            tally.end_progress()
            print(tally.summary())
    if tally.refused:
        print(f"{tally.refused} refused; the first: {tally.first_problem}", file=sys.stderr)
    return 0 if tally.posted + tally.there_already == tally.commits else 1


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = parse_arguments(arguments)
    try:
        return run(options)
    except ExampleError as error:
        print(f"git_history: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
