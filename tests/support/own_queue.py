"""Provide a queue or a control for one test, which may be small, unreachable or started later."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cli.embedded.binaries import installed_programs
from cli.embedded.layout import create
from cli.embedded.server import ServerContext
from cli.embedded.valkey import Queue, Valkey, control_server
from testbed.servers import data_folder


@contextmanager
def own_queue(maxmemory: str = "64mb", **settings: str) -> Iterator[Valkey]:
    """Make a queue that `start` and `stop` control; `settings` are Valkey's."""
    with _own(lambda context: Queue(context, maxmemory)) as valkey:
        valkey._settings |= {name.replace("_", "-"): value for name, value in settings.items()}
        yield valkey


@contextmanager
def own_control() -> Iterator[Valkey]:
    """Make a control that `start`, `stop` and `kill` control."""
    with _own(control_server) as valkey:
        yield valkey


@contextmanager
def _own(make: Callable[[ServerContext], Valkey]) -> Iterator[Valkey]:
    with data_folder() as folder:
        layout = create(folder, None)
        lock = os.open(layout.lock, os.O_CREAT | os.O_RDWR)
        valkey = make(ServerContext(layout, folder, installed_programs(), None, lock))
        try:
            yield valkey
        finally:
            valkey.stop()
            os.close(lock)
