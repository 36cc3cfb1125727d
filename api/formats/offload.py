"""Run slow work on a body in a thread, so that the event loop is not blocked."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")

# To validate a large body takes tens of milliseconds: too long for the event loop.
LARGE_BODY = 16 * 1024
_limiter = anyio.CapacityLimiter(2)


async def run_if_small(body_bytes: int, work: Callable[[], T]) -> T:
    """Return the result of `work` on a body of `body_bytes`; a large one is left to a thread."""
    if body_bytes <= LARGE_BODY:
        return work()
    return await run_in_thread(work)


async def run_in_thread(work: Callable[[], T]) -> T:
    """Return the result of `work`, done in a thread."""
    return await anyio.to_thread.run_sync(work, limiter=_limiter)
