"""Sweeping and maintenance in the process that supervises the workers."""

from collections.abc import Iterator
from contextlib import contextmanager

from cli.urls import Urls, storage_settings


@contextmanager
def background(urls: Urls | None) -> Iterator[None]:
    """Runs while the block does; on the given servers, or on those of the settings."""
    # Here, because `status` and `--help` should not wait for SQLAlchemy and RQ.
    from worker.background import Background

    threads = Background(storage_settings(urls))
    threads.start()
    try:
        yield
    finally:
        threads.stop()
