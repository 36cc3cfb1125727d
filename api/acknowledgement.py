"""How far an acknowledgement reaches: `queued` is on the queue's disk, `stored` committed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Literal
from uuid import UUID

from api.ingest import Accepted
from api.stored_watch import StoredWatch
from storage.errors import StorageError
from storage.event_store import Fate

HEADER = "Activity-Ack"

Ack = Literal["queued", "stored"]
Receipt = Literal["queued", "stored", "dead"]
Fates = Callable[[Sequence[UUID]], Awaitable[dict[UUID, Fate]]]


class Acknowledgement:
    """Waits for the level that a producer asks for, within a bound."""

    def __init__(self, watch: StoredWatch, fates: Fates, seconds: float) -> None:
        self._watch = watch
        self._fates = fates
        self._seconds = seconds

    async def receipts(self, accepted: Accepted) -> list[Receipt]:
        """What became of each event once all have left the queue, or the wait is over.

        PostgreSQL is asked too: an event that left the queue may be a dead letter.
        """
        ids = [UUID(bytes=raw_id) for raw_id in accepted.made.raw_ids]
        fates: dict[UUID, Fate] = {}
        with suppress(StorageError, TimeoutError):
            async with asyncio.timeout(self._seconds):
                await self._watch.left(accepted.place)
                fates = await self._fates(ids)
        return [fates.get(one, "queued") for one in ids]


def reached(receipts: Sequence[Receipt]) -> Ack:
    """The level that every one of these events has reached."""
    return "stored" if all(receipt == "stored" for receipt in receipts) else "queued"
