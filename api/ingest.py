"""Accepting: an event gets its id and its time, and is answered once it is on disk."""

from collections.abc import Iterator
from contextlib import contextmanager
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
        with self._reckoning():
            await self._group_commit.add(made.raw_id, made.body, made.created_ms)
        return made

    async def accept_once(self, keys: list[str], body: bytes, posted: EventIn) -> Made:
        """The same, once for each idempotency key. Raises Problem too."""
        with self._reckoning():
            return await self._idempotency.accept(keys, body, posted)

    @contextmanager
    def _reckoning(self) -> Iterator[None]:
        """Whoever is refused for want of room is told when there will be some."""
        try:
            yield
        except QueueFull as error:
            raise QueueFull(str(error), self._watch.retry_seconds()) from error


def location(event_id: str | UUID) -> str:
    """Where the event is to be found from now on."""
    return f"/events/{event_id}"
