"""Making events of what was posted. Pure but for the clock and the ids' random bits."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from api.event_body import EventIn
from storage.event import (
    Event,
    Stamp,
    decode_event,
    encode_event,
    id_text,
    new_id,
    new_ids,
    now_ms,
    time_text,
)


class Made(NamedTuple):
    """An event: its id's 16 bytes and text, its time in ms and as text, and its JSON."""

    raw_id: bytes
    id: str
    created_ms: int
    created_at: str
    body: bytes


def make_one(posted: EventIn) -> Made:
    """The event of this moment."""
    created_ms = now_ms()
    return _made(posted, new_id(created_ms), created_ms, time_text(created_ms))


def make_all(posted: list[EventIn], stamp: Stamp) -> list[Made]:
    """The events of that stamp, in history in this order.

    Empties the list as it goes, so that a large batch is not held twice.
    """
    made = []
    created_at = time_text(stamp.created_ms)
    posted.reverse()
    for raw_id in new_ids(stamp, len(posted)):
        made.append(_made(posted.pop(), raw_id, stamp.created_ms, created_at))
    return made


def restamped(made: Sequence[Made], stamp: Stamp) -> list[Made]:
    """The same events as they were made with another stamp."""
    ids = new_ids(stamp, len(made))
    return [_restamped(one, raw_id, stamp) for one, raw_id in zip(made, ids, strict=True)]


def _made(posted: EventIn, raw_id: bytes, created_ms: int, created_at: str) -> Made:
    text = id_text(raw_id)
    event = Event(
        text,
        created_at,
        posted.component,
        posted.environment,
        posted.message,
        posted.email,
        posted.data,
    )
    return Made(raw_id, text, created_ms, created_at, encode_event(event))


def _restamped(made: Made, raw_id: bytes, stamp: Stamp) -> Made:
    event = msgspec.structs.replace(
        decode_event(made.body), id=id_text(raw_id), created_at=time_text(stamp.created_ms)
    )
    return Made(raw_id, event.id, stamp.created_ms, event.created_at, encode_event(event))
