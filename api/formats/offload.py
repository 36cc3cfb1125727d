"""Saying what is wrong with a body, without holding up the event loop."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from api.formats.native_fast import EventIn
from api.formats.native_validate import validate

T = TypeVar("T")

# Validating a large body takes tens of milliseconds: not in the event loop.
LARGE_BODY = 16 * 1024
_limiter = anyio.CapacityLimiter(2)


async def run_if_small(body_bytes: int, work: Callable[[], T]) -> T:
    """The result of work on a body of that size."""
    if body_bytes <= LARGE_BODY:
        return work()
    return await run_in_thread(work)


async def run_in_thread(work: Callable[[], T]) -> T:
    """The same, however small the body."""
    return await anyio.to_thread.run_sync(work, limiter=_limiter)


async def validated_in_turn(body: bytes, limit: int) -> EventIn:
    """See `validate`."""
    return await run_if_small(len(body), lambda: validate(body, limit))
