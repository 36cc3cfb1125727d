"""Provide a queue for one test, which may be small, unreachable or started later."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from cli.embedded.binaries import installed_programs
from cli.embedded.layout import create
from cli.embedded.server import ServerContext
from cli.embedded.valkey import Queue, Valkey
from testbed.servers import data_folder


@contextmanager
def own_queue(maxmemory: str = "64mb", **settings: str) -> Iterator[Valkey]:
    """Make a queue that `start` and `stop` control; `settings` are Valkey's."""
    with data_folder() as folder:
        layout = create(folder, None)
        lock = os.open(layout.lock, os.O_CREAT | os.O_RDWR)
        valkey = Queue(ServerContext(layout, folder, installed_programs(), None, lock), maxmemory)
        valkey._settings |= {name.replace("_", "-"): value for name, value in settings.items()}
        try:
            yield valkey
        finally:
            valkey.stop()
            os.close(lock)
