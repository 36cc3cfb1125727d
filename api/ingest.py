"""Accepting: an event gets its id and its time, and is answered once it is on disk."""

from uuid import UUID

from api.event_body import EventIn
from api.group_commit import GroupCommit
from storage.event import Event, encode_event, id_text, new_id, now_ms, time_text


class Ingest:
    """The way of one event from a parsed body to the answer."""

    def __init__(self, group_commit: GroupCommit) -> None:
        self._group_commit = group_commit

    async def accept(self, posted: EventIn) -> tuple[str, bytes]:
        """The event's id, and the event as JSON: on the queue's disk when this returns.

        Raises QueueUnavailable or QueueFull: then it was not acknowledged.
        """
        created_ms = now_ms()
        raw_id = new_id(created_ms)
        event = Event(
            id_text(raw_id),
            time_text(created_ms),
            posted.component,
            posted.environment,
            posted.message,
            posted.email,
            posted.data,
        )
        body = encode_event(event)
        await self._group_commit.add(raw_id, body, created_ms)
        return event.id, body


def location(event_id: str | UUID) -> str:
    """Where the event is to be found from now on."""
    return f"/events/{event_id}"
