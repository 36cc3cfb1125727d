"""Accepting: events get their ids and their time, and are answered once they are on disk."""

import asyncio
from typing import NamedTuple
from uuid import UUID

from api.formats.native import EventIn
from api.http.problems import Problem
from api.ingest.group_commit import GroupCommit
from api.ingest.idempotency import Idempotency, RequestKey
from api.ingest.stamping import Made, MadeAll, make_all, make_one
from storage.errors import QueueFull
from storage.model.event import new_stamp
from storage.queue.backlog_monitor import BacklogWatch
from storage.queue.producer import Limits as BacklogLimits
from storage.queue.producer import Place


class Accepted(NamedTuple):
    """Events on the queue's disk, and where they wait there. `replayed`: an earlier request with
    the same idempotency key put them there."""

    made: MadeAll
    place: Place
    replayed: bool = False

    def without_bodies(self) -> "Accepted":
        """Enough to answer with, however long that is waited for."""
        return Accepted(self.made._replace(bodies=[]), self.place, self.replayed)


class Ingest:
    """The way of one request's events from a parsed body to the answer."""

    def __init__(
        self,
        group_commit: GroupCommit,
        idempotency: Idempotency,
        watch: BacklogWatch,
        most: BacklogLimits,
    ) -> None:
        self._group_commit = group_commit
        self._idempotency = idempotency
        self._watch = watch
        self._most = most

    def submit(self, posted: EventIn) -> tuple[Made, asyncio.Future[Place]]:
        """The event, and where it waits once it is on the queue's disk.

        The future fails with QueueUnavailable or QueueFull: then it was not acknowledged.
        """
        made = make_one(posted)
        return made, self._group_commit.submit((made.raw_id, made.body), made.created_ms)

    async def accept_all(self, posted: list[EventIn], key: RequestKey | None = None) -> Accepted:
        """All of them or none, once for each idempotency key. Raises Problem too.

        In history they stand in this order. The list is emptied.
        """
        stamp = new_stamp()
        made = make_all(posted, stamp)
        self._require_room_ever(made)
        try:
            if key is None:
                place = await self._group_commit.submit(made.items(), made.created_ms)
                return Accepted(made, place)
            return Accepted(*await self._idempotency.accept(key, made, stamp))
        except QueueFull as error:
            raise self.reckoned(error) from error

    def _require_room_ever(self, made: MadeAll) -> None:
        """What is more than an empty shard takes would be refused however often it is sent."""
        events, size = self._most.events, self._most.bytes
        if len(made.bodies) > events or sum(map(len, made.bodies)) > size:
            detail = f"No more than {events} events and {size} bytes at once can be queued here."
            raise Problem(413, detail)

    def reckoned(self, error: QueueFull) -> QueueFull:
        """Whoever is refused for want of room is told when there will be some."""
        return QueueFull(str(error), self._watch.retry_seconds())


def location(event_id: str | UUID) -> str:
    """Where the event is to be found from now on."""
    return f"/events/{event_id}"
