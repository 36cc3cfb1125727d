"""Which entries of a stream are events, and what is kept of those that are none."""

import json
from uuid import UUID

import pytest

from storage.model.entries import Unreadable, next_entry, read_batch, read_event
from storage.model.event import encode_event, id_ms, id_text, new_id, time_text
from tests.support.queued import id_bytes, make_event, make_events

GOOD = encode_event(make_event("good", data=b'{"a":1.10}'))


def with_(**fields: object) -> bytes:
    return json.dumps({**json.loads(GOOD), **fields}).encode()


def without(name: str) -> bytes:
    event = json.loads(GOOD)
    del event[name]
    return json.dumps(event).encode()


YEAR_10000 = 253_402_300_800_000
NO_EVENTS = {
    "no JSON": b"garbage",
    "nothing": b"",
    "no UTF-8": b"\xff\xfe",
    "no UTF-8 in a text": GOOD.replace(b"good", b"g\xff"),
    "no UTF-8 in data": GOOD.replace(b"1.10", b'"\xff"'),
    "half a surrogate pair": GOOD.replace(b"good", b"\\ud800"),
    "cut off": GOOD[:-5],
    "an array": b"[]",
    "null": b"null",
    "no id": without("id"),
    "no message": without("message"),
    "an id that is a number": with_(id=1),
    "an id that is no UUID": with_(id="nonsense"),
    "an id of another version": with_(id="9b2f1c9e-3c1d-4e0a-8f59-3d0e5c0c7a11"),
    "an id in capitals": with_(id=json.loads(GOOD)["id"].upper()),
    "two ids": with_(id=json.loads(GOOD)["id"] + "\n" + json.loads(GOOD)["id"]),
    "another time than the id's": with_(created_at="2026-11-24T05:28:53.120Z"),
    "no time": with_(created_at="soon"),
    "a time out of range": with_(id=id_text(new_id(YEAR_10000)), created_at="+10000-01-01"),
    "a time without a partition": with_(
        id=id_text(new_id(YEAR_10000 - 1)), created_at=time_text(YEAR_10000 - 1)
    ),
    "nested too deeply": with_(data=0).replace(b'"data": 0', b'"data":' + b"[" * 5000),
}


@pytest.mark.parametrize("kind", NO_EVENTS)
def test_what_is_no_event_is_kept_as_unreadable_with_its_bytes_and_the_rest_is_read(
    kind: str,
) -> None:
    good = make_events(3)
    raws = [encode_event(good[0]), NO_EVENTS[kind], *map(encode_event, good[1:])]
    batch = read_batch([(b"5-%d" % n, {b"e": raw}) for n, raw in enumerate(raws)], 7)
    assert batch is not None
    assert [event.id for event in batch.events] == [event.id for event in good]
    assert batch.ids == [id_bytes(event) for event in good]
    assert batch.entries == [b"5-0", b"5-1", b"5-2", b"5-3"]
    (one,) = batch.unreadable
    assert (one.entry, one.raw, one.event_id) == (b"5-1", NO_EVENTS[kind], b"")
    assert one.reason.startswith("no event: ")
    with pytest.raises(ValueError, match="no event: "):
        read_event(NO_EVENTS[kind])


def test_an_entry_of_other_fields_is_kept_whole() -> None:
    batch = read_batch([(b"5-0", {b"x": b"\xff", b"\x00": b"1"})], 0)
    assert batch is not None
    kept = json.loads(batch.unreadable[0].raw)
    assert {name.encode("latin-1"): text.encode("latin-1") for name, text in kept.items()} == {
        b"x": b"\xff",
        b"\x00": b"1",
    }


def test_events_are_read_as_they_are() -> None:
    assert encode_event(read_event(GOOD)) == GOOD


def test_a_dead_letters_id_is_the_same_however_often_its_entry_is_read() -> None:
    one = Unreadable(b"1764000000000-1", b"garbage", "")
    found = UUID(bytes=one.letter_id(3))
    assert found.version == 7
    assert id_ms(found) == 1764000000000
    others = {one.letter_id(2), Unreadable(b"1764000000000-2", b"garbage", "").letter_id(3)}
    assert one.letter_id(3) == found.bytes
    assert found.bytes not in others


def test_the_entry_behind_the_last_of_a_millisecond_is_the_next_millisecond() -> None:
    assert next_entry(b"5-18446744073709551615") == b"6-0"
    assert next_entry(b"5-0") == b"5-1"
