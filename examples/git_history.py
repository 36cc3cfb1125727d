#!/usr/bin/env python3
"""Fill the Activity Service with the history of a git repository: one event per commit.

    python examples/git_history.py [REPO] [--url http://127.0.0.1:5000] [--environment NAME]
                                   [--since DATE] [--concurrency 8]

Needs Python 3.11, git, and the other modules of this folder, nothing else. Every commit that HEAD
reaches becomes exactly one event:

component    the top folder of the change: the one with the most changed lines, then the most
             files, then the first by name. It is "root" for files at the top level, and for a
             merge or an empty commit, which changes no file of its own
environment  --environment, or the current branch ("detached" when HEAD is on none)
email        the author's address if it is valid by HTML's rule (and so for the service) and has
             at most 254 characters; else left out. `data.author_email` always has the original
message      the subject, or "(no subject)"
occurred_at  when it was committed; left out if git can't read that date
data         hash, author, author_email, authored_at, committed_at, files, insertions, deletions,
             merge, paths. A date that git can't read, or after the year 9999, is null

Texts are cut so that no commit is refused for its size: component and environment at 255
characters, the message at 8,192, `paths` after 100 names or 16,384 characters, all others at 1,000.
Bytes that are not UTF-8 become U+FFFD.

Set ACTIVITY_KEY to an API key with the scope `write` if the service has keys.

After 503 or 429 an event is sent again after the service's `Retry-After`; after a broken connection
it is sent again with growing pauses. The run stops when the service has accepted nothing for 30
seconds. Each event has an `Idempotency-Key` made from its content, so an event that is sent again
within 24 hours, even by a second run, is stored once. The summary says how many events existed
already.

Exit status: 0 all posted, 1 some refused or the run stopped, 2 wrong usage, 130 interrupted.
"""

import argparse
import os
import sys
from contextlib import closing
from urllib.parse import SplitResult, urlsplit

from event_poster import Client, Tally, post_all
from example_error import ExampleError
from git_events import to_event
from git_log import Repository


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
