"""Accepting: events get their ids and their time, and are answered once they are on disk."""

import asyncio
from typing import NamedTuple
from uuid import UUID

from api.formats.native_fast import EventIn
from api.http.problems import Problem
from api.ingest.group_commit import GroupCommit
from api.ingest.idempotency import Idempotency, RequestKey
from api.ingest.stamping import StampedBatch, StampedEvent, stamp_batch, stamp_event
from storage.errors import QueueFull
from storage.model.event import new_stamp
from storage.queue.backlog_monitor import BacklogMonitor
from storage.queue.producer import BacklogLimits, QueuePosition


class Accepted(NamedTuple):
    """Events on the queue's disk, and where they wait there. `replayed`: an earlier request with
    the same idempotency key put them there."""

    stamped: StampedBatch
    position: QueuePosition
    replayed: bool = False

    def without_bodies(self) -> "Accepted":
        """Enough to answer with, however long that is waited for."""
        return Accepted(self.stamped._replace(bodies=[]), self.position, self.replayed)


class Ingest:
    """The way of one request's events from a parsed body to the answer."""

    def __init__(
        self,
        group_commit: GroupCommit,
        idempotency: Idempotency,
        monitor: BacklogMonitor,
        limits: BacklogLimits,
    ) -> None:
        self._group_commit = group_commit
        self._idempotency = idempotency
        self._monitor = monitor
        self._limits = limits

    def submit(self, posted: EventIn) -> tuple[StampedEvent, asyncio.Future[QueuePosition]]:
        """The event, and where it waits once it is on the queue's disk.

        The future fails with QueueUnavailable or QueueFull: then it was not acknowledged.
        """
        stamped = stamp_event(posted)
        return stamped, self._group_commit.submit(
            (stamped.raw_id, stamped.body), stamped.created_ms
        )

    async def accept_all(self, posted: list[EventIn], key: RequestKey | None = None) -> Accepted:
        """All of them or none, once for each idempotency key. Raises Problem too.

        In history they stand in this order. The list is emptied.
        """
        stamp = new_stamp()
        stamped = stamp_batch(posted, stamp)
        self._require_room_ever(stamped)
        try:
            if key is None:
                position = await self._group_commit.submit(stamped.items(), stamped.created_ms)
                return Accepted(stamped, position)
            return Accepted(*await self._idempotency.accept(key, stamped, stamp))
        except QueueFull as error:
            raise self.with_retry_after(error) from error

    def _require_room_ever(self, stamped: StampedBatch) -> None:
        """What is more than an empty shard takes would be refused however often it is sent."""
        events, size = self._limits.events, self._limits.bytes
        if len(stamped.bodies) > events or sum(map(len, stamped.bodies)) > size:
            detail = f"No more than {events} events and {size} bytes at once can be queued here."
            raise Problem(413, detail)

    def with_retry_after(self, error: QueueFull) -> QueueFull:
        """Whoever is refused for want of room is told when there will be some."""
        return QueueFull(str(error), self._monitor.retry_seconds())


def location(event_id: str | UUID) -> str:
    """Where the event is to be found from now on."""
    return f"/events/{event_id}"
