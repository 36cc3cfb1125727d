"""Threads for calls that block: never more than a limit, however long each call takes."""

import asyncio
import math
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")


class BoundedThreads:
    """Runs blocking work in threads, `most` at once. Callers beyond them wait in line.

    A thread can't be stopped: if its caller is cancelled, it keeps its place until it has ended.
    `anyio.to_thread` alone would give the place to the next caller, and so start threads without
    bound while a server hangs.
    """

    def __init__(self, most: int) -> None:
        self._places = asyncio.Semaphore(most)
        self._limiter = anyio.CapacityLimiter(math.inf)  # `_places` is the limit

    async def run(self, work: Callable[[], T], begin: Callable[[], None] = lambda: None) -> T:
        """Return the result of `work`, or raise its error. Who is cancelled in line starts none.

        `begin` is called at the end of the line.
        """
        await self._places.acquire()
        begin()
        running = asyncio.create_task(anyio.to_thread.run_sync(work, limiter=self._limiter))
        running.add_done_callback(self._leave)
        await asyncio.wait([running])
        return running.result()

    def _leave(self, ended: asyncio.Task[Any]) -> None:
        self._places.release()
        if not ended.cancelled():
            ended.exception()  # or asyncio would log an error that no caller waits for any more
