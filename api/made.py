"""Making an event of what was posted. Pure but for the id's random bits."""

from typing import NamedTuple

from api.event_body import EventIn
from storage.event import Event, encode_event, id_text, new_id, time_text


class Made(NamedTuple):
    """An event: its id's 16 bytes and text, its time in ms, and its JSON."""

    raw_id: bytes
    id: str
    created_ms: int
    body: bytes


def make_event(posted: EventIn, created_ms: int, raw_id: bytes | None = None) -> Made:
    """The event of that millisecond, with a new id unless one is given."""
    raw_id = raw_id or new_id(created_ms)
    event_id = id_text(raw_id)
    event = Event(
        event_id,
        time_text(created_ms),
        posted.component,
        posted.environment,
        posted.message,
        posted.email,
        posted.data,
    )
    return Made(raw_id, event_id, created_ms, encode_event(event))
