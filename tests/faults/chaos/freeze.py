"""Freeze the queue while the witness reads `/status` of every API process."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from signal import SIGCONT, SIGSTOP

from tests.faults.chaos.stack import Stack, signal_process


@contextmanager
def freeze_queue(stack: Stack, rng: Random) -> Iterator[str]:
    """Freeze the queue: no figure of it may be a number in the meantime."""
    (pid,) = stack.pids("queue")
    signal_process(pid, SIGSTOP)
    try:
        with stack.record.queue_frozen():
            yield f"process {pid}"
    finally:
        signal_process(pid, SIGCONT)
