"""Choose the user that the servers run as: PostgreSQL refuses root."""

import os
import pwd
import shlex
import subprocess
from pathlib import Path

from cli.errors import Unreachable
from cli.process.spawn import Account

_CANDIDATES = ("postgres", "nobody")
# The kernel answers for that user, so access control lists and mounts count too.
_FIRST_CLOSED = 'for f in "$@"; do [ -x "$f" ] || { echo "$f"; exit 0; }; done'


def server_account(cluster: Path) -> Account | None:
    """Return the unprivileged user to run the servers as, or None if that is this user.

    The owner of an existing cluster takes precedence: PostgreSQL refuses the data of another user.
    Raises `Unreachable` if there is no suitable user.
    """
    if os.geteuid() != 0:
        return None
    if os.path.lexists(cluster) and (owner := cluster.lstat().st_uid) != 0:
        return _owner(owner, cluster)
    for name in _CANDIDATES:
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise Unreachable(
        "PostgreSQL refuses root, and this system has neither a user `postgres` nor `nobody`: "
        "create one (useradd --system postgres) or run as an ordinary user"
    )


def _owner(uid: int, cluster: Path) -> Account:
    try:
        return _account(pwd.getpwuid(uid))
    except KeyError:
        raise Unreachable(
            f"{cluster} belongs to user {uid}, which does not exist here: give it to a user that "
            f"exists (chown -R postgres {shlex.quote(str(cluster))})"
        ) from None


def _account(entry: pwd.struct_passwd) -> Account:
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, tuple(groups))


def first_closed_folder(account: Account, folder: Path) -> Path | None:
    """Return the outermost existing folder of the path that the user can't enter, or None."""
    parents = [part for part in (*reversed(folder.parents), folder) if part.exists()]
    answer = subprocess.run(  # noqa: S603 - constant script, paths as arguments
        ["/bin/sh", "-c", _FIRST_CLOSED, "sh", *map(os.fspath, parents)],
        user=account.uid,
        group=account.gid,
        extra_groups=list(account.groups),
        cwd="/",
        stdout=subprocess.PIPE,
        check=True,
    )
    closed = answer.stdout.removesuffix(b"\n")
    return Path(os.fsdecode(closed)) if closed else None


def require_reach(account: Account, folder: Path) -> None:
    """Raise `Unreachable`, with the remedy, if the user can't enter `folder`."""
    closed = first_closed_folder(account, folder)
    if closed is None:
        return
    raise Unreachable(
        f"user `{account.name}` can't reach the data folder {folder}: it can't enter {closed}. "
        "PostgreSQL and Valkey run as that user, because PostgreSQL refuses root. Choose another "
        "folder with --data-dir (for example /var/lib/activity-service), or give access: "
        f"chmod o+x {closed}"
    )
