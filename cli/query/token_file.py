"""The file of `--since`: where in the feed an export stands, and how long its output was then."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cli.errors import CannotExport, NotAFile
from cli.file_lock import try_lock
from cli.query.feed import START
from cli.safe_files import open_file, read_small, replace_file


@dataclass(frozen=True)
class Place:
    """A place in the feed. `length`: bytes of the file `output` up to it (None: no such file)."""

    token: str = START
    output: str | None = None
    length: int = 0


class TokenFile:
    """Keeps one place on disk; it is replaced in one step, so a kill leaves the old or the new."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Place | None:
        """Return the place, None if there is no file. Raises `CannotExport`, `OSError`.

        A file that can't be read is no reason to begin anew: everything would come again.
        """
        try:
            document = json.loads(read_small(self._path))
            place = Place(document["token"], document["output"], document["length"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            place = None
        if place is None or not _is_sound(place):
            raise CannotExport(
                f"{self._path} is no file of `activity query --since`; name another one, or remove "
                "it to begin with everything that is stored"
            )
        return place

    def write(self, place: Place) -> None:
        """Keep the place; it is on disk when this returns. Raises `OSError`."""
        replace_file(self._path, json.dumps(asdict(place)) + "\n", sync=True)

    def forget(self) -> None:
        """Remove the place. Raises `OSError`."""
        self._path.unlink()


def _is_sound(place: Place) -> bool:
    return (
        isinstance(place.token, str)
        and isinstance(place.output, str | None)
        and isinstance(place.length, int)
        and place.length >= 0
    )


def lock_of(path: Path) -> Path:
    """Return the path of the lock."""
    return path.with_name(path.name + ".lock")


@contextmanager
def locked(path: Path) -> Iterator[TokenFile]:
    """Lend the file to one run at a time; the lock, `FILE.lock`, stays. Raises `CannotExport`."""
    lock = lock_of(path)
    try:
        descriptor = open_file(lock, os.O_RDWR | os.O_CREAT)
    except NotAFile as error:
        raise CannotExport(str(error)) from None
    try:
        if not try_lock(descriptor):
            raise CannotExport(f"another run goes on with {path} (it holds {lock})")
        yield TokenFile(path)
    finally:
        os.close(descriptor)
