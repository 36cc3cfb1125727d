"""The mark of a data folder that a command has begun to change: without the rest it is not whole.

A restore and an upgrade take many steps. If one is killed, the folder must not be taken for a
working one: `activity up` would start an empty history beside an old queue.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.embedded.layout import Layout
from cli.errors import Interrupted, UnfinishedFolder
from cli.safe_files import read_small, replace_file, sync_folder

_NAME = "unfinished"
_MAX_CHARACTERS = 40


def mark_of(root: Path) -> str | None:
    """Return the name of the command that has begun to change this folder, or None."""
    try:
        found = read_small(root / _NAME).decode(errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found[:_MAX_CHARACTERS] or "restore"


def refuse_unfinished(layout: Layout) -> None:
    """Raise `UnfinishedFolder` if a command has begun to change this folder and has not ended."""
    command = mark_of(layout.root)
    if command is not None:
        raise UnfinishedFolder(
            f"the data folder {layout.root} is not whole: `activity {command}` was interrupted "
            f"there. Run that command again, which begins anew"
        )


@contextmanager
def unfinished(layout: Layout, command: str) -> Iterator[None]:
    """Mark the folder for the block. If the block raises, or is killed, the mark stays.

    A block that has taken back what it did removes the mark itself, before it raises.

    The caller holds the lock of the folder, and what the block has written must be on disk when it
    ends. Raises `OSError`; for a Ctrl-C in the block, `Interrupted`.
    """
    replace_file(layout.root / _NAME, f"{command}\n", sync=True)
    try:
        yield
    except KeyboardInterrupt:
        is_left = mark_of(layout.root) is not None
        state = f"not whole: run `activity {command}` again" if is_left else "without its changes"
        raise Interrupted(f"; the data folder {layout.root} is {state}") from None
    remove_mark(layout)


def remove_mark(layout: Layout) -> None:
    """Remove the mark: the folder is whole, or as it was before. Raises `OSError`."""
    (layout.root / _NAME).unlink(missing_ok=True)
    sync_folder(layout.root)
