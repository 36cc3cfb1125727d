"""Accepting: an event gets its id and its time, and is answered once it is on disk."""

from uuid import UUID

from api.backlog_watch import BacklogWatch
from api.event_body import EventIn
from api.group_commit import GroupCommit
from api.idempotency import Idempotency
from api.made import Made, make_event
from storage.errors import QueueFull
from storage.event import now_ms


class Ingest:
    """The way of one event from a parsed body to the answer."""

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
        made = make_event(posted, now_ms())
        try:
            await self._group_commit.add(made.raw_id, made.body, made.created_ms)
        except QueueFull as error:
            raise self._reckoned(error) from error
        return made

    async def accept_once(self, keys: list[str], body: bytes, posted: EventIn) -> Made:
        """The same, once for each idempotency key. Raises Problem too."""
        try:
            return await self._idempotency.accept(keys, body, posted)
        except QueueFull as error:
            raise self._reckoned(error) from error

    def _reckoned(self, error: QueueFull) -> QueueFull:
        """Whoever is refused for want of room is told when there will be some."""
        return QueueFull(str(error), self._watch.retry_seconds())


def location(event_id: str | UUID) -> str:
    """Where the event is to be found from now on."""
    return f"/events/{event_id}"
