"""Wait for a condition instead of a fixed time."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_pause = threading.Event()


def wait_until(condition: Callable[[], T], what: str, seconds: float = 60) -> T:
    """Return the first truthy result of `condition`.

    Raises AssertionError, with `what`, after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}; last: {result!r}")
        _pause.wait(0.01)
