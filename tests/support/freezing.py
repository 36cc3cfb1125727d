"""Freeze processes: they neither answer nor close their connections."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def with_children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Freeze a process and its children for the block."""
    with all_frozen(with_children(pid)):
        yield


@contextmanager
def all_frozen(pids: list[int]) -> Iterator[None]:
    """Freeze these processes for the block."""
    for one in pids:
        os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in pids:
            os.kill(one, signal.SIGCONT)
