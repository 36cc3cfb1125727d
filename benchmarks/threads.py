"""Work in threads beside what is measured."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def threads_beside(count: int, work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run `work` in so many threads while the block runs; each ends once its event is set."""
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=[stop]) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
