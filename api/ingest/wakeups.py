"""Wake-ups of workers, sent by a thread."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from storage.errors import StorageError
from storage.queue.scheduler import Crew, DrainScheduler
from storage.settings import StorageSettings


class Wakeups:
    """Calls the scheduler in one thread, so that no producer waits for control."""

    def __init__(self, storage: StorageSettings) -> None:
        self._scheduler = DrainScheduler(storage.queue_url, storage.control_url, storage.shards)
        self._thread = ThreadPoolExecutor(1, "wake")

    def enqueue(self, shard: int, generation: int) -> None:
        """Enqueue a drain. If that fails, the sweeper repeats it."""
        self._thread.submit(self._enqueue, shard, generation)

    async def crew(self) -> Crew:
        """Return the workers that are registered. Raises ControlUnavailable."""
        return await asyncio.wrap_future(self._thread.submit(self._scheduler.crew))

    def close(self) -> None:
        """Return once every wake-up has been tried."""
        self._thread.shutdown()

    def _enqueue(self, shard: int, generation: int) -> None:
        with suppress(StorageError):
            self._scheduler.enqueue(shard, generation)
