"""Accepting: events get their ids and their time, and are answered once they are on disk."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from api.backlog_watch import BacklogWatch
from api.event_body import EventIn
from api.group_commit import GroupCommit
from api.idempotency import Idempotency, RequestKey
from api.made import Made, make_all, make_one
from storage.errors import QueueFull
from storage.event import new_stamp
from storage.intake import Place


class Accepted(NamedTuple):
    """Events on the queue's disk, and where they wait there."""

    made: Sequence[Made]
    place: Place


class Ingest:
    """The way of one request's events from a parsed body to the answer."""

    def __init__(
        self, group_commit: GroupCommit, idempotency: Idempotency, watch: BacklogWatch
    ) -> None:
        self._group_commit = group_commit
        self._idempotency = idempotency
        self._watch = watch

    async def accept(self, posted: EventIn) -> Made:
        """The event, on the queue's disk when this returns.

        Raises QueueUnavailable or QueueFull: then it was not acknowledged.
        """
        made = make_one(posted)
        await self._append((made,))
        return made

    async def accept_all(self, posted: list[EventIn], key: RequestKey | None = None) -> Accepted:
        """All of them or none, once for each idempotency key. Raises Problem too.

        In history they stand in this order. The list is emptied.
        """
        if key is None:
            made = make_all(posted, new_stamp())
            return Accepted(made, await self._append(made))
        try:
            return Accepted(*await self._idempotency.accept(key, posted))
        except QueueFull as error:
            raise self._reckoned(error) from error

    async def _append(self, made: Sequence[Made]) -> Place:
        try:
            return await self._group_commit.add(made)
        except QueueFull as error:
            raise self._reckoned(error) from error

    def _reckoned(self, error: QueueFull) -> QueueFull:
        """Whoever is refused for want of room is told when there will be some."""
        return QueueFull(str(error), self._watch.retry_seconds())


def location(event_id: str | UUID) -> str:
    """Where the event is to be found from now on."""
    return f"/events/{event_id}"
