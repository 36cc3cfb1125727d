"""Record what the service acknowledged: one line per event, on disk at once."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Ledger:
    """A ledger; each line is given to the system before `promised` returns."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def promised(self, event_id: str, number: int) -> None:
        """Record that the event with this number was acknowledged under this id."""
        os.write(self._descriptor, f"{event_id} {number}\n".encode())


@contextmanager
def open_ledger(path: Path) -> Iterator[Ledger]:
    """Open the file to append, or create it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield Ledger(descriptor)
    finally:
        os.close(descriptor)


def read_ledger(path: Path) -> list[tuple[str, int]]:
    """Read every acknowledged event as (id, number), in order."""
    with path.open() as lines:
        return [(event_id, int(number)) for event_id, number in map(str.split, lines)]
