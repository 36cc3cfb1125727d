"""Events that are made together are those that would be made one by one."""

from uuid import UUID

import msgspec

from api.formats.native_fast import EventIn
from api.ingest.stamping import restamp, stamp_batch
from storage.model.event import Event, Stamp, decode_event, encode_event, time_text

STAMP = Stamp(1_795_000_000_000, bytes(16))


def posted() -> list[EventIn]:
    data = msgspec.Raw(b'{"b": 1.10,\r\n"a":"100 %b, %d"}')
    return [
        EventIn("größe", "%s", 'a "quoted"\nline', "jo@example.com", data),
        EventIn("a", "b", "c"),
    ]


def test_every_field_is_kept_and_encoded_as_everywhere() -> None:
    made = stamp_batch(posted(), STAMP)
    wanted = [
        Event(
            str(UUID(bytes=raw_id)),
            time_text(STAMP.created_ms),
            event.component,
            event.environment,
            event.message,
            event.email,
            event.data,
        )
        for raw_id, event in zip(made.raw_ids, posted(), strict=True)
    ]
    assert made.bodies == [encode_event(event) for event in wanted]
    assert [decode_event(body) for body in made.bodies] == wanted
    assert made.ids == [event.id.encode() for event in wanted]
    pairs = zip(made.raw_ids, made.bodies, strict=True)
    assert made.items() == [part for pair in pairs for part in pair]


def test_with_another_stamp_they_are_what_they_would_have_been_then() -> None:
    then = Stamp(1_794_000_000_000, bytes(range(16)))
    assert restamp(stamp_batch(posted(), STAMP), then) == stamp_batch(posted(), then)
