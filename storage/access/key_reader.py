"""What an API process reads of both homes of API keys, without waiting in its event loop."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

import redis
import sqlalchemy as sa

from storage.access.key_queue import KeyQueue
from storage.access.key_records import KeyRecords
from storage.access.key_table import KeyTable
from storage.errors import QueueUnavailable

T = TypeVar("T")


class KeyReader:
    """Reads API keys from the queue and from PostgreSQL, in one thread for each of them.

    An API process keeps what it knows as `KnownKeys`, and adds what each load returns. Load from
    both homes: one of them may lack a key or a revocation that was made while it was away, or may
    have been restored from an older copy. Add each load as soon as it returns, so that a revocation
    on the queue does not wait for PostgreSQL.
    """

    def __init__(self, queue: redis.Redis, engine: sa.Engine) -> None:
        """Use a client and an engine that `close` does not close."""
        self._queue = KeyQueue(queue)
        self._table = KeyTable(engine)
        self._queue_thread = ThreadPoolExecutor(1, "keys-queue")
        self._table_thread = ThreadPoolExecutor(1, "keys-table")

    async def version(self) -> str | None:
        """Return the version of the keys on the queue, None if it is unknown: the queue is away.

        If it differs from that of the last load, or was unknown since, load the keys again.
        """
        try:
            return await _in(self._queue_thread, self._queue.version)
        except QueueUnavailable:
            return None

    async def load_queue(self) -> tuple[str, KeyRecords]:
        """Return the version and the records on the queue. Raises QueueUnavailable, TooManyKeys."""
        return await _in(self._queue_thread, self._queue.load)

    async def load_table(self) -> KeyRecords:
        """Return the records in PostgreSQL.

        Raises DatabaseUnavailable, DatabaseMismatch, TooManyKeys.
        """
        return await _in(self._table_thread, self._table.load)

    async def record_use(self, uses: Mapping[str, datetime]) -> None:
        """Record on the queue when keys were last used; maintenance copies it to PostgreSQL.

        Raises QueueUnavailable.
        """
        await _in(self._queue_thread, lambda: self._queue.record_use(uses))

    def close(self) -> None:
        """Return once what was begun has ended."""
        self._queue_thread.shutdown()
        self._table_thread.shutdown()


async def _in(thread: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    return await asyncio.wrap_future(thread.submit(call))
