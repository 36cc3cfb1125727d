"""Saying what is wrong with a body, without holding up the event loop."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from api.formats.native import EventIn, explain

T = TypeVar("T")

# Looking closely at a large body takes tens of milliseconds: not in the event loop.
LARGE_BODY = 16 * 1024
_limiter = anyio.CapacityLimiter(2)


async def aside(body_bytes: int, work: Callable[[], T]) -> T:
    """The result of work on a body of that size."""
    if body_bytes <= LARGE_BODY:
        return work()
    return await apart(work)


async def apart(work: Callable[[], T]) -> T:
    """The same, however small the body."""
    return await anyio.to_thread.run_sync(work, limiter=_limiter)


async def explained(body: bytes, limit: int) -> EventIn:
    """See `explain`."""
    return await aside(len(body), lambda: explain(body, limit))
