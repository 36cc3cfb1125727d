"""Run the reads of one export in threads, and cancel the one that runs."""

import asyncio
import math
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from api.query.bounded_threads import BoundedThreads
from storage.postgres.interrupt import Interrupt

T = TypeVar("T")

_REPEAT_SECONDS = 0.2


class CancellableReads:
    """The reads of one export: one at a time, in a thread that others use too."""

    def __init__(self, threads: BoundedThreads) -> None:
        self._threads = threads
        self._idle = asyncio.Event()
        self._idle.set()
        self.interrupt = Interrupt()

    async def run(self, read: Callable[[], T]) -> T:
        """Return the result of `read`. Whoever is cancelled must call `cancel`."""
        loop = asyncio.get_running_loop()

        def work() -> T:
            try:
                return read()
            finally:
                loop.call_soon_threadsafe(self._idle.set)

        return await self._threads.run(work, self._idle.clear)

    async def cancel(self) -> None:
        """Cancel the query that runs, if any does; return once its thread is free."""
        limiter = anyio.CapacityLimiter(math.inf)
        while not self._idle.is_set():
            # Again and again: a request that comes between two statements has no effect.
            await anyio.to_thread.run_sync(self.interrupt.cancel, limiter=limiter)
            try:
                async with asyncio.timeout(_REPEAT_SECONDS):
                    await self._idle.wait()
            except TimeoutError:
                continue
