"""One run of the same work at a time within a process, shared by all who ask for it. Pure asyncio.

Who asks while a run is under way shares the *next* one: the run under way may have read before
what the asker already knows of. Not built on `storage/grouped_calls.py`, which puts different
requests into one call: here all who ask for a key share one run.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs, by key."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[T]] = {}
        self._next: dict[str, asyncio.Task[T]] = {}

    def is_running(self, key: str) -> bool:
        """Whether a run of that key is under way: `run` would wait for it to end."""
        return key in self._running

    async def run(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """The result of a run of `work` that starts after this call. Raises what it raises."""
        task = self._next.get(key)
        if task is None:
            before = self._running.get(key)
            if before is None:
                task = self._running[key] = asyncio.create_task(self._first(key, work))
            else:
                task = self._next[key] = asyncio.create_task(self._after(before, key, work))
            task.add_done_callback(_retrieve)
        # One asker that goes away must not end the run for the others.
        return await asyncio.shield(task)

    async def _first(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await work()
        finally:
            if self._running.get(key) is asyncio.current_task():
                del self._running[key]

    async def _after(
        self, before: asyncio.Task[T], key: str, work: Callable[[], Awaitable[T]]
    ) -> T:
        try:
            await asyncio.wait([before])
        finally:
            following = self._next.pop(key)
        self._running[key] = following
        return await self._first(key, work)


def _retrieve(task: asyncio.Task[T]) -> None:
    """Where all askers have gone away, nobody else looks at the failure: that is no mishap."""
    if not task.cancelled():
        task.exception()
