"""A call whose result is shared by all who ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedCall(Generic[T]):
    """One kind of call. Who asks while one is under way gets its result, and starts no other.

    So a result can be as old as the call takes: the call must take a limited time.
    """

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._task: asyncio.Task[T] | None = None

    async def result(self) -> T:
        """Return the result of the call under way, or else of a new one."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        # A client that goes away must not end the call of the others.
        return await asyncio.shield(self._task)

    async def close(self) -> None:
        """Cancel the call that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> T:
        return await self._call()
