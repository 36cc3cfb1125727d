"""Reads that callers with equal keys share while they run. Pure asyncio.

Unlike `SingleFlight`, a caller that comes during a run shares that run: whoever reads a feed looks
again as long as there is more, so an older answer is complete too, only shorter.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class _Shared(Generic[T]):
    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.callers = 0


class SharedReads(Generic[T]):
    """The reads under way, by key. One that no caller waits for any more is cancelled."""

    def __init__(self) -> None:
        self._running: dict[Hashable, _Shared[T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of the read of that key, or raise its error."""
        shared = self._running.get(key)
        if shared is None:
            shared = self._running[key] = _Shared(asyncio.create_task(work()))
            shared.task.add_done_callback(partial(self._forget, key, shared))
        shared.callers += 1
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.callers -= 1
            if not shared.callers and not shared.task.done():
                shared.task.cancel()
                self._drop(key, shared)

    def _forget(self, key: Hashable, shared: _Shared[T], task: asyncio.Task[T]) -> None:
        self._drop(key, shared)
        if not task.cancelled():
            task.exception()  # or asyncio would log an error that no caller waits for any more

    def _drop(self, key: Hashable, shared: _Shared[T]) -> None:
        if self._running.get(key) is shared:
            del self._running[key]
