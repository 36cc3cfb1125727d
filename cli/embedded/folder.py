"""Which folder may be a data folder: its name, its owner, and who else could replace it."""

import os
import re
from pathlib import Path

from cli.embedded.trust import owner_name, weak_part
from cli.errors import FolderError, UnsafeFolder

# PostgreSQL's limit is 1,024 bytes; the longest name that lies below needs some of them.
MAX_PATH = 800
_LINK_TO_SOCKETS = "run"
_has_control_characters = re.compile(rb"[\x00-\x1f\x7f]").search


def checked_folder(data_dir: Path) -> Path:
    """The folder's real path. Raises `FolderError` for a name that PostgreSQL can't take,
    `UnsafeFolder` for one that is another user's or that another user could replace."""
    named = absolute_folder(data_dir)
    _check_name(named)
    check_trust(named)
    try:
        root = named.resolve()
    except (RuntimeError, OSError) as error:  # links that lead to each other, among others
        raise FolderError(f"the data folder {named} can't be found: {error}") from None
    _check_name(root)
    return root


def absolute_folder(data_dir: Path) -> Path:
    """With `~` and the current folder filled in; links stay. Raises `FolderError`."""
    try:
        return data_dir.expanduser().absolute()
    except (RuntimeError, OSError) as error:
        raise FolderError(f"the data folder {data_dir} can't be found: {error}") from None


def check_trust(named: Path) -> None:
    """Raises `UnsafeFolder`. `named` is absolute."""
    _check_owner(named)
    weak = weak_part(named)
    if weak:
        raise UnsafeFolder(
            f"another user could replace the data folder {named}: {weak}. Choose another with "
            "--data-dir (for example /var/lib/activity-service), or close that folder to others"
        )


def refuse_links(root: Path) -> None:
    """Raises `UnsafeFolder` for a link where the folder's files should be: it could lead to
    files that are none of ours. The sockets' link is never followed to anything else."""
    for entry in root.iterdir():
        if entry.is_symlink() and entry.name != _LINK_TO_SOCKETS:
            raise UnsafeFolder(
                f"{entry} is a link, and what it leads to may not be the service's: put the "
                "files themselves there, or move the whole folder and name it with --data-dir"
            )


def _check_name(root: Path) -> None:
    name = os.fsencode(root)
    if _has_control_characters(name):
        raise FolderError(
            f"the data folder {str(root)!r} has a line end or another control character in its "
            "name, which PostgreSQL does not take: choose another with --data-dir"
        )
    if len(name) > MAX_PATH:
        raise FolderError(
            f"the path of the data folder has {len(name):,} bytes, and PostgreSQL does not take "
            f"more than {MAX_PATH}: choose another with --data-dir"
        )


def _check_owner(named: Path) -> None:
    try:
        owner = named.stat().st_uid
    except OSError:  # not there yet, or out of reach: what is done next says so
        return
    if owner != os.geteuid():
        raise UnsafeFolder(
            f"the data folder {named} belongs to {owner_name(owner)}: run this as that user, or "
            "choose another folder with --data-dir"
        )
