"""The ledger: what the service promised, one line per acknowledged event, on disk at once."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Ledger:
    """Appends promises; each is with the system before `promised` returns."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def promised(self, event_id: str, number: int) -> None:
        """The event with this number was acknowledged under this id."""
        os.write(self._descriptor, f"{event_id} {number}\n".encode())


@contextmanager
def open_ledger(path: Path) -> Iterator[Ledger]:
    """Append to the file, or begin it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield Ledger(descriptor)
    finally:
        os.close(descriptor)


def read_ledger(path: Path) -> list[tuple[str, int]]:
    """Every promise, as (id, number), in the order given."""
    with path.open() as lines:
        return [(event_id, int(number)) for event_id, number in map(str.split, lines)]
