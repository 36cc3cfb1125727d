"""Check whether another user could replace a folder."""

import grp
import os
import pwd
import stat
from collections import deque
from collections.abc import Iterator
from pathlib import Path

_MAX_CHAIN = 40  # links followed in one path, like the kernel


def weak_part(path: Path) -> str | None:
    """Return the outermost part of an absolute path that another user could replace, and why.

    Returns None if there is none. Both a link and its target are checked. For root each part must
    belong to root and be writable only by root. For other users no part may be writable by
    everybody. A sticky folder (`/tmp`) protects its content.
    """
    for part, found in _parts(path):
        reason = _weakness(found, os.geteuid())
        if reason:
            return f"{part} {reason}"
    return None


def owner_name(uid: int) -> str:
    """Return the name of a user, or the number if there is no name."""
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


def _weakness(found: os.stat_result, uid: int) -> str | None:
    is_link = stat.S_ISLNK(found.st_mode)
    if found.st_uid not in (0, uid) and (uid == 0 or is_link):
        return f"belongs to {owner_name(found.st_uid)}"
    if is_link or found.st_mode & stat.S_ISVTX:
        return None
    if found.st_mode & stat.S_IWOTH:
        return "can be written to by everybody"
    if uid == 0 and found.st_mode & stat.S_IWGRP and found.st_gid != 0:
        return f"can be written to by group {_group_name(found.st_gid)}"
    return None


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _parts(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Return each existing part, from the root on: each link, then its target."""
    here = Path("/")
    yield here, here.lstat()
    names = deque(path.parts[1:])
    links = 0
    while names and links < _MAX_CHAIN:
        part = here.parent if (name := names.popleft()) == ".." else here / name
        try:
            found = part.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return
        yield part, found
        if stat.S_ISLNK(found.st_mode):
            links += 1
            target = part.readlink()
            names.extendleft(reversed(target.parts[1:] if target.is_absolute() else target.parts))
            here = Path("/") if target.is_absolute() else here
        else:
            here = part
