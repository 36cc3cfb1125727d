"""Keep the keys of this process up to date, and record their use, off the hot path.

The queue tells within a second that a key has changed. While the queue is away, PostgreSQL is asked
instead. Either home may have keys that the other lacks, until maintenance has merged both.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from datetime import datetime
from time import monotonic
from typing import Protocol, TypeVar

from api.auth.key_ring import KeyRing
from storage.access.key_records import KeyRecords
from storage.errors import QueueUnavailable
from storage.periodic import PeriodicTask

T = TypeVar("T")

VERSION_SECONDS = 1.0  # between two looks at the version, which is one call each
ANSWER_SECONDS = 1.5  # a queue that hangs must not keep revocations from being read elsewhere
AWAY_SECONDS = 3.0  # without an answer, after which PostgreSQL is asked
TABLE_SECONDS = 2.0  # between two reads of PostgreSQL while the queue is away
MERGE_SECONDS = 60.0  # between two reads of everything, and two records of uses


class Stores(Protocol):
    """What `KeyReader` does."""

    async def version(self) -> str | None:
        """Return a text that each change of a key changes; None if the queue can't be asked."""

    async def load_queue(self) -> tuple[str, KeyRecords]:
        """Return the version, and the records on the queue."""

    async def load_table(self) -> KeyRecords:
        """Return the records in PostgreSQL."""

    async def record_use(self, uses: Mapping[str, datetime]) -> None:
        """Record on the queue when keys were last used."""


class _Watch(PeriodicTask):
    """A periodic task; `tried` is set after its first round, whether or not that failed."""

    def __init__(self, ring: KeyRing, name: str, seconds: float) -> None:
        super().__init__(name, seconds)
        self._ring = ring
        self.tried = asyncio.Event()

    async def run_once(self) -> None:
        try:
            await self._look()
        finally:
            self.tried.set()

    async def _look(self) -> None:
        raise NotImplementedError

    async def _news(self, records: KeyRecords) -> KeyRecords:
        """Compare many records in a thread. What is known only grows, so the result stays right."""
        return await asyncio.to_thread(self._ring.news, records)


class QueueWatch(_Watch):
    """Reads the keys from the queue as soon as one has changed, and records uses there."""

    def __init__(self, ring: KeyRing, stores: Stores) -> None:
        super().__init__(ring, "reading API keys from the queue", VERSION_SECONDS)
        self._stores = stores
        self._version: str | None = None
        self._answered_at = self._loaded_at = -MERGE_SECONDS
        self._recorded_at = monotonic()
        self._uses: dict[str, datetime] = {}  # not recorded yet

    @property
    def is_away(self) -> bool:
        """Return whether the queue has not answered for a while."""
        return monotonic() - self._answered_at > AWAY_SECONDS

    async def stop(self) -> None:
        """End the task, and record the last uses."""
        await super().stop()
        with suppress(QueueUnavailable):  # nothing but a time of use is lost
            await self._record_uses()

    async def _look(self) -> None:
        version = await _in_time(self._stores.version())
        if version is None:
            self._version = None  # it may come back as an older copy with the same version
            return
        now = self._answered_at = monotonic()
        if version != self._version or now - self._loaded_at >= MERGE_SECONDS:
            self._version, records = await self._stores.load_queue()
            self._loaded_at = now
            self._ring.add_queue(await self._news(records))
        if now - self._recorded_at >= MERGE_SECONDS:
            self._recorded_at = now
            await self._record_uses()

    async def _record_uses(self) -> None:
        self._uses |= self._ring.take_uses()
        if self._uses:
            await _in_time(self._stores.record_use(self._uses))
            self._uses = {}


async def _in_time(answer: Awaitable[T]) -> T:
    """Return the queue's answer. Raises QueueUnavailable after ANSWER_SECONDS."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await answer
    except TimeoutError as error:
        reason = f"the queue does not answer within {ANSWER_SECONDS} s"
        raise QueueUnavailable(reason) from error


class TableWatch(_Watch):
    """Reads the keys from PostgreSQL: often while the queue is away, else now and then.

    Often too while no key is known and PostgreSQL has not said so: the queue may have been restored
    from before the first key.
    """

    def __init__(self, ring: KeyRing, stores: Stores, queue: QueueWatch) -> None:
        super().__init__(ring, "reading API keys from PostgreSQL", TABLE_SECONDS)
        self._stores = stores
        self._queue = queue
        self._loaded_at = -MERGE_SECONDS
        self._has_answered = False

    async def _look(self) -> None:
        if monotonic() - self._loaded_at < MERGE_SECONDS and not self._is_needed:
            return
        self._ring.add_table(await self._news(await self._stores.load_table()))
        self._loaded_at = monotonic()
        self._has_answered = True

    @property
    def _is_needed(self) -> bool:
        return self._queue.is_away or (self._ring.is_undecided and not self._has_answered)


class KeyWatch:
    """Both watches, which start and stop together."""

    def __init__(self, ring: KeyRing, stores: Stores) -> None:
        self._queue = QueueWatch(ring, stores)
        self._table = TableWatch(ring, stores, self._queue)

    async def start(self, seconds: float) -> None:
        """Start, and wait so long at most until both homes were asked."""
        watches = (self._queue, self._table)
        for watch in watches:
            watch.start()
        waiting = [asyncio.create_task(watch.tried.wait()) for watch in watches]
        _, late = await asyncio.wait(waiting, timeout=seconds)
        for task in late:
            task.cancel()

    async def stop(self) -> None:
        """Stop, and record the last uses."""
        await self._table.stop()
        await self._queue.stop()
