"""Check the name and owner of a data folder, and whether another user could replace it."""

import os
import re
from pathlib import Path

from cli.embedded.trust import owner_name, weak_part
from cli.errors import FolderError, UnsafeFolder, plain_words

# PostgreSQL's limit is 1,024 bytes; the longest path inside the folder needs some of them.
MAX_PATH = 800
_LINK_TO_SOCKETS = "run"
_has_control_characters = re.compile(rb"[\x00-\x1f\x7f]").search


def checked_folder(data_dir: Path) -> Path:
    """Return the real path of the folder.

    Raises `FolderError` for a name that PostgreSQL does not accept, and `UnsafeFolder` if another
    user owns the folder or could replace it.
    """
    named = absolute_folder(data_dir)
    _check_name(named)
    check_trust(named)
    try:
        root = named.resolve()
    except RuntimeError:
        raise FolderError(f"the data folder {named} can't be found: links form a loop") from None
    except OSError as error:
        why = plain_words(error, named)
        raise FolderError(f"the data folder {named} can't be found: {why}") from None
    _check_name(root)
    _check_kind(root)
    return root


def absolute_folder(data_dir: Path) -> Path:
    """Return the absolute path, with `~` expanded and links kept. Raises `FolderError`."""
    try:
        return data_dir.expanduser().absolute()
    except (RuntimeError, OSError) as error:
        raise FolderError(f"the data folder {data_dir} can't be found: {error}") from None


def check_trust(named: Path) -> None:
    """Raise `UnsafeFolder` if another user owns or could replace the absolute path."""
    _check_owner(named)
    weak = weak_part(named)
    if weak:
        raise UnsafeFolder(
            f"another user could replace the data folder {named}: {weak}. Choose another with "
            "--data-dir (for example /var/lib/activity-service), or close that folder to others"
        )


def refuse_links(root: Path) -> None:
    """Raise `UnsafeFolder` for a link in the folder, except the link to the sockets.

    A link could lead to files of others. The link to the sockets is only followed to our sockets.
    """
    for entry in root.iterdir():
        if entry.is_symlink() and entry.name != _LINK_TO_SOCKETS:
            raise UnsafeFolder(
                f"{entry} is a link, and may lead to files that are not the service's: put the "
                "files themselves there, or move the whole folder and name it with --data-dir"
            )


def _check_name(root: Path) -> None:
    name = os.fsencode(root)
    if _has_control_characters(name):
        raise FolderError(
            f"the data folder {str(root)!r} has a line end or another control character in its "
            "name, which PostgreSQL does not accept: choose another with --data-dir"
        )
    if len(name) > MAX_PATH:
        raise FolderError(
            f"the path of the data folder has {len(name):,} bytes, and PostgreSQL does not accept "
            f"more than {MAX_PATH}: choose another with --data-dir"
        )


def _check_kind(root: Path) -> None:
    found = next(part for part in (root, *root.parents) if os.path.lexists(part))
    if not found.is_dir():
        raise FolderError(f"{found} is not a folder: choose another data folder with --data-dir")


def _check_owner(named: Path) -> None:
    try:
        owner = named.stat().st_uid
    except OSError:  # missing, or out of reach: the next steps report that
        return
    if owner != os.geteuid():
        raise UnsafeFolder(
            f"the data folder {named} belongs to {owner_name(owner)}: run this as that user, or "
            "choose another folder with --data-dir"
        )
