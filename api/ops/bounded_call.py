"""A call to a server that may hang: its caller waits for a limited time, and never starts two."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from storage.errors import StorageError

log = logging.getLogger(__name__)

T = TypeVar("T")


class BoundedCall(Generic[T]):
    """One kind of call to a server. At most one is under way, however long the server hangs."""

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        """`call` may raise anything: then its answer is unknown."""
        self._call = call
        self._task: asyncio.Task[T | None] | None = None

    async def answer(self, seconds: float) -> T | None:
        """Return what the call returns; None if it fails or takes longer than `seconds`.

        A call that takes longer goes on. Its late answer is of no use: another process may have
        shown a newer one meanwhile, and a counter must not fall. So the next caller waits until it
        ends, and then makes a call of its own.
        """
        end = time.monotonic() + seconds
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)
            if not self._task.done():
                return None
        self._task = asyncio.create_task(self._run())
        await asyncio.wait([self._task], timeout=end - time.monotonic())
        return self._task.result() if self._task.done() else None

    async def close(self) -> None:
        """Cancel the call that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> T | None:
        try:
            return await self._call()
        except StorageError:  # its server can't be asked
            return None
        except Exception:
            log.exception("a server can't be asked")
            return None
