"""Make one event of each commit; every text is cut to what the service accepts."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

Event = dict[str, Any]
ROOT = "root"
NAME_LIMIT = 255
MESSAGE_LIMIT = 8_192
TEXT_LIMIT = 1_000
PATHS_LIMIT = 100
PATHS_CHARACTERS = 16_384
EMAIL_LIMIT = 254

# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
EMAIL = re.compile(rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*")

# `--date=raw`: seconds since 1970 and an offset. Other forms stop git at dates before 1970.
RAW_DATE = re.compile(r"(\d+) ([+-])(\d\d)(\d\d)")


class Header(NamedTuple):
    """The fields of `LOG_FIELDS` in `git_log.py`, in the same order."""

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
    if committed_at := iso_date(header.committed_at):
        event["occurred_at"] = committed_at
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
