"""Make events from what was posted: add id and time. Pure but for the clock and random bits."""

from typing import NamedTuple

import msgspec

from api.formats.native_fast import EventIn
from storage.model.event import (
    Event,
    Stamp,
    decode_event,
    encode_event,
    id_text,
    id_texts,
    new_id,
    new_ids,
    now_ms,
    time_text,
)


class StampedEvent(NamedTuple):
    """One event: its id as 16 bytes and as text, its time in ms and as text, and its JSON."""

    raw_id: bytes
    id: str
    created_ms: int
    created_at: str
    body: bytes


class StampedBatch(NamedTuple):
    """Events of one request: their common time in ms, their ids as bytes and text, their JSON."""

    created_ms: int
    raw_ids: list[bytes]
    ids: list[bytes]
    bodies: list[bytes]

    def items(self) -> list[bytes]:
        """Return the arguments of an append: id, event, id, event ..."""
        items = [b""] * (2 * len(self.bodies))
        items[0::2] = self.raw_ids
        items[1::2] = self.bodies
        return items


def stamp_event(posted: EventIn) -> StampedEvent:
    """Stamp an event with a new id and the current time."""
    created_ms = now_ms()
    raw_id, created_at = new_id(created_ms), time_text(created_ms)
    text = id_text(raw_id)
    event = Event(
        text,
        created_at,
        posted.component,
        posted.environment,
        posted.message,
        posted.email,
        posted.data,
        posted.occurred_at,
    )
    return StampedEvent(raw_id, text, created_ms, created_at, encode_event(event))


def stamp_batch(posted: list[EventIn], stamp: Stamp) -> StampedBatch:
    """Stamp events with ids of that stamp; history keeps their order.

    Empties the list on the way, so that a large batch is not in memory twice.
    """
    raw_ids = new_ids(stamp, len(posted))
    ids = id_texts(raw_ids)
    # As `encode_event` writes it: a posted event has an event's other fields, in the same order.
    event = b'{"id":"%%b","created_at":"%b",%%b' % time_text(stamp.created_ms).encode()
    posted.reverse()
    bodies = [event % (text, _encode(posted.pop())[1:]) for text in ids]
    return StampedBatch(stamp.created_ms, raw_ids, ids, bodies)


_encode = msgspec.json.Encoder().encode


def restamp(stamped: StampedBatch, stamp: Stamp) -> StampedBatch:
    """Stamp the same events again, with an earlier stamp: the ids of the first request."""
    return stamp_batch([_posted(body) for body in stamped.bodies], stamp)


def _posted(body: bytes) -> EventIn:
    event = decode_event(body)
    return EventIn(
        event.component,
        event.environment,
        event.message,
        event.email,
        event.data,
        event.occurred_at,
    )
