"""Simulate a power cut: everything ends at once, and a file ends with bytes that never arrived."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from cli.embedded.aof_folder import AofFolder
from cli.embedded.layout import Layout
from cli.embedded.lock import is_held
from testbed.waiting import wait_until
from tests.faults.chaos.stack import Stack

END_SECONDS = 30
SIZES = [1, 512, 4096, 65536]
HALVES = [b"", b"*3\r\n$3\r\nSET\r\n$4\r\nha"]


@contextmanager
def zero_tail(stack: Stack, rng: Random) -> Iterator[str]:
    """Kill the queue and all of `up`; append zeros to the queue's file before the next start."""
    layout = Layout(stack.folder.data)
    stack.up.kill()
    wait_until(lambda: not is_held(layout.lock), "its processes to be gone", END_SECONDS)
    files = AofFolder(layout.valkey("queue"))
    name = files.last_file()
    assert name
    half, size = rng.choice(HALVES), rng.choice(SIZES)
    with (files.path / name).open("ab") as file:
        file.write(half + b"\0" * size)
    stack.up.start()
    yield f"{size} zero bytes behind {len(half)} of a command"
