"""Sweeping and maintenance in the process that supervises the workers."""

from collections.abc import Iterator
from contextlib import contextmanager

from cli.urls import Urls


@contextmanager
def background(urls: Urls | None) -> Iterator[None]:
    """Runs while the block does; on the given servers, or on those of the settings."""
    # Here, because `status` and `--help` should not wait for SQLAlchemy and RQ.
    from storage.settings import StorageSettings
    from worker.background import Background

    storage = StorageSettings()
    if urls:
        storage = storage.model_copy(update=vars(urls))
    threads = Background(storage)
    threads.start()
    try:
        yield
    finally:
        threads.stop()
