"""Sweeping and maintenance, in the process that supervises the workers."""

from collections.abc import Iterator
from contextlib import contextmanager

from cli.urls import Urls, storage_settings


@contextmanager
def background(urls: Urls | None) -> Iterator[None]:
    """Sweep and maintain while the block runs. None means the servers of the settings."""
    # Imported here: `status` and `--help` should not wait for SQLAlchemy and RQ.
    from worker.background import Background

    threads = Background(storage_settings(urls))
    threads.start()
    try:
        yield
    finally:
        threads.stop()
