"""Acknowledgement levels: `queued` is on the queue's disk, `stored` is committed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Literal
from uuid import UUID

from api.ingest.commit_waiter import CommitWaiter
from api.ingest.service import Accepted
from storage.errors import StorageError
from storage.model.receipt import Receipt, StoredState
from storage.queue.producer import QueuePosition

log = logging.getLogger(__name__)

HEADER = "Activity-Ack"

Ack = Literal["queued", "stored"]
StoredStates = Callable[[Sequence[UUID]], Awaitable[dict[UUID, StoredState]]]


class AckWaiter:
    """Waits until events are stored, for a bounded time."""

    def __init__(
        self, commit_waiter: CommitWaiter, stored_states: StoredStates, seconds: float
    ) -> None:
        self._commit_waiter = commit_waiter
        self._stored_states = stored_states
        self._seconds = seconds

    async def wait(self, position: QueuePosition) -> None:
        """Return once the events have left the queue, or the wait is over."""
        with suppress(StorageError, TimeoutError):
            async with asyncio.timeout(self._seconds):
                await self._commit_waiter.wait(position)

    async def receipts(self, accepted: Accepted) -> list[Receipt]:
        """Return what became of each event once all have left the queue, or the wait is over.

        Ask PostgreSQL too: an event that left the queue may be a dead letter. What can't be found
        out is `queued`: the events are accepted, so a failure here must not fail the request.
        """
        ids = [UUID(bytes=raw_id) for raw_id in accepted.stamped.raw_ids]
        stored_states: dict[UUID, StoredState] = {}
        try:
            async with asyncio.timeout(self._seconds):
                await self._commit_waiter.wait(accepted.position)
                stored_states = await self._stored_states(ids)
        except (StorageError, TimeoutError):
            pass
        except Exception:
            log.exception("waiting for a commit failed")
        return [stored_states.get(event_id, "queued") for event_id in ids]


def ack_level(receipts: Sequence[Receipt]) -> Ack:
    """Return the level that all of these events have reached."""
    return "stored" if all(receipt == "stored" for receipt in receipts) else "queued"
