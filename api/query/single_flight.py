"""Run the same work once at a time within a process, for all callers. Pure asyncio.

A caller that comes during a run shares the *next* run: the current run may have read the data
before a change that the caller already knows of. Not built on `storage/grouped_calls.py`: that puts
different submissions into one call, and here all callers of a key share one run.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """The runs of this process, by key."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[T]] = {}
        self._next: dict[str, asyncio.Task[T]] = {}

    def is_running(self, key: str) -> bool:
        """Whether a run of that key is under way: `run` would wait for it to end."""
        return key in self._running

    async def run(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of a run of `work` that starts after this call, or raise its error."""
        task = self._next.get(key)
        if task is None:
            current = self._running.get(key)
            if current is None:
                task = self._running[key] = asyncio.create_task(self._run_now(key, work))
            else:
                task = self._next[key] = asyncio.create_task(self._run_after(current, key, work))
            task.add_done_callback(_mark_retrieved)
        # A caller that goes away must not end the run for the others.
        return await asyncio.shield(task)

    async def _run_now(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await work()
        finally:
            if self._running.get(key) is asyncio.current_task():
                del self._running[key]

    async def _run_after(
        self, current: asyncio.Task[T], key: str, work: Callable[[], Awaitable[T]]
    ) -> T:
        try:
            await asyncio.wait([current])
        finally:
            following = self._next.pop(key)
        self._running[key] = following
        return await self._run_now(key, work)


def _mark_retrieved(task: asyncio.Task[T]) -> None:
    """Keep asyncio from logging the exception of a run whose callers have all gone away."""
    if not task.cancelled():
        task.exception()
