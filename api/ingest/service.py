"""Accept events: give them their ids and time, and answer once they are on the queue's disk."""

import asyncio
from typing import NamedTuple
from uuid import UUID

from api.auth.limits import KeyLimit, KeyLimits
from api.formats.native_fast import EventIn
from api.http.headers import Headers
from api.http.problems import Problem
from api.ingest.group_commit import GroupCommit
from api.ingest.idempotency import Idempotency, RequestKey
from api.ingest.stamping import StampedBatch, StampedEvent, stamp_batch, stamp_event
from storage.access.api_key import ApiKey
from storage.errors import QueueFull
from storage.model.event import new_stamp
from storage.queue.backlog_monitor import BacklogMonitor
from storage.queue.producer import BacklogLimits, QueuePosition

REPLAY_COST = 1  # events of a key's limit that a repeated request costs, however many it has
_TOO_MANY = 429


class Accepted(NamedTuple):
    """Events on the queue's disk, and their position in the queue.

    `replayed`: an earlier request with the same idempotency key has put them there.
    `limit_headers` tell of the limit of the key that was used, if it has one.
    """

    stamped: StampedBatch
    position: QueuePosition
    replayed: bool = False
    limit_headers: Headers = ()

    def without_bodies(self) -> "Accepted":
        """Drop the bodies: the response does not need them, and the wait for it may be long."""
        return self._replace(stamped=self.stamped._replace(bodies=[]))


class Ingest:
    """Takes the events of one request from the parsed body to the queue."""

    def __init__(
        self,
        group_commit: GroupCommit,
        idempotency: Idempotency,
        monitor: BacklogMonitor,
        shard_limits: BacklogLimits,
        key_limits: KeyLimits,
    ) -> None:
        """`key_limits`: of the keys that events are posted with."""
        self.key_limits = key_limits
        self._group_commit = group_commit
        self._idempotency = idempotency
        self._monitor = monitor
        self._shard_limits = shard_limits

    def submit(self, posted: EventIn) -> tuple[StampedEvent, asyncio.Future[QueuePosition]]:
        """Stamp and append one event; return it and a future of its position in the queue.

        The event is on the queue's disk once the future is done. The future fails with
        QueueUnavailable or QueueFull: then the event must not be acknowledged.
        """
        stamped = stamp_event(posted)
        return stamped, self._group_commit.submit(
            (stamped.raw_id, stamped.body), stamped.created_ms
        )

    async def accept_all(
        self,
        posted: list[EventIn],
        key: RequestKey | None = None,
        api_key: ApiKey | None = None,
    ) -> Accepted:
        """Append all events or none, once for each idempotency key, within the limit of `api_key`.

        History keeps their order. Empties the list. Raises Problem, and what `Idempotency.accept`
        raises.
        """
        limit = self.key_limits.of(api_key)
        if limit is None:
            return await self._append_all(posted, key)
        accepted = await self._admit(limit, posted, key)
        if accepted is None:
            accepted = await self._append_admitted(limit, posted, key)
        return accepted._replace(limit_headers=limit.headers())

    async def _admit(
        self, limit: KeyLimit, posted: list[EventIn], key: RequestKey | None
    ) -> Accepted | None:
        """Take the events from the limit. Raises Problem 429 or 413.

        A repeated request must learn what the first one was answered, even if the limit is reached.
        Then return that; else None.
        """
        try:
            if not limit.take(len(posted)):
                await limit.admit(len(posted), counts=key is None)
        except Problem as refusal:
            if key is None:
                raise
            found = await self._idempotency.find(key, stamp_batch(posted, new_stamp()))
            if found is None:
                if refusal.status == _TOO_MANY:
                    limit.count_refused(len(posted))
                raise
            return Accepted(*found)
        return None

    async def _append_admitted(
        self, limit: KeyLimit, posted: list[EventIn], key: RequestKey | None
    ) -> Accepted:
        """Append all events or none, and give back to the limit what was not accepted."""
        count = unused = len(posted)
        try:
            accepted = await self._append_all(posted, key)
            unused = count - REPLAY_COST if accepted.replayed else 0
        finally:
            limit.refund(unused)
        return accepted

    async def _append_all(self, posted: list[EventIn], key: RequestKey | None) -> Accepted:
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
        """Raise Problem 413 for a request that even an empty shard refuses: retries can't help."""
        events, size = self._shard_limits.events, self._shard_limits.bytes
        if len(stamped.bodies) > events or sum(map(len, stamped.bodies)) > size:
            detail = f"One request can queue at most {events} events and {size} bytes."
            raise Problem(413, detail)

    def with_retry_after(self, error: QueueFull) -> QueueFull:
        """Add when to retry: the time at which workers should have made room."""
        return QueueFull(str(error), self._monitor.retry_seconds())


def location(event_id: str | UUID) -> str:
    """Return the path of the event."""
    return f"/events/{event_id}"
