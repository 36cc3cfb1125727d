"""Which user the servers run as: PostgreSQL refuses root."""

import os
import pwd
import shlex
import subprocess
from pathlib import Path

from cli.errors import Unreachable
from cli.process.spawn import Account

_CANDIDATES = ("postgres", "nobody")
# Asked of the kernel as that user, so that access lists and mounts count too.
_FIRST_CLOSED = 'for f in "$@"; do [ -x "$f" ] || { echo "$f"; exit 0; }; done'


def server_account(cluster: Path) -> Account | None:
    """The unprivileged user to run the servers as; None when that is who we are.

    An existing cluster's owner wins, because PostgreSQL takes no data of another user's.
    Raises `Unreachable` when root finds no such user.
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
        "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`: "
        "create one (useradd --system postgres) or run as an ordinary user"
    )


def _owner(uid: int, cluster: Path) -> Account:
    try:
        return _account(pwd.getpwuid(uid))
    except KeyError:
        raise Unreachable(
            f"{cluster} belongs to user {uid}, whom this system does not know: give it to a user "
            f"that it knows (chown -R postgres {shlex.quote(str(cluster))})"
        ) from None


def _account(entry: pwd.struct_passwd) -> Account:
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, tuple(groups))


def first_closed_folder(account: Account, folder: Path) -> Path | None:
    """The outermost existing folder on the way to `folder` that the user can't enter."""
    way = [part for part in (*reversed(folder.parents), folder) if part.exists()]
    answer = subprocess.run(  # noqa: S603 - constant script, paths as arguments
        ["/bin/sh", "-c", _FIRST_CLOSED, "sh", *map(os.fspath, way)],
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
    """Raises `Unreachable`, with the remedy, when the user can't enter `folder`."""
    closed = first_closed_folder(account, folder)
    if closed is None:
        return
    raise Unreachable(
        f"the data folder {folder} is out of reach of user `{account.name}`, as which PostgreSQL "
        f"and Valkey run (PostgreSQL refuses root): it can't enter {closed}. Choose another with "
        f"--data-dir (for example /var/lib/activity-service), or allow it: chmod o+x {closed}"
    )
