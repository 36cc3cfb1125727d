"""Which events are dropped, and where an address is written over."""

import json
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model.entries import EntryBatch, Unreadable
from storage.model.erasing import ERASED, Address, Tombstone, erase, erase_unreadable
from storage.model.event import Event, created_ms
from tests.support.queued import id_bytes, make_event

JO = Address.of("Jo.Do@Example.com")
T = 1_800_000_000_000


def stone(address: Address = JO, before_ms: int = T) -> Tombstone:
    return Tombstone(uuid4(), address, before_ms)


def batch_of(*events: Event) -> EntryBatch:
    ids = list(map(id_bytes, events))
    return EntryBatch(list(events), ids, [b"%d-0" % (n + 1) for n in range(len(events))], 100)


@pytest.mark.parametrize(
    "text",
    [
        "jo.do@example.com",
        "mail to JO.DO@EXAMPLE.COM.",
        "<jo.do@example.com>, and twice: jo.do@example.com",
        "user=jo.do@example.com;x",
        "export_jo.do@example.com.csv",
        "line\\njo.do@example.com",
        "%3Cjo.do@example.com%3E",
        "\\u003cjo.do@example.com\\u003e",
        "éjo.do@example.comé",
    ],
)
def test_the_address_is_written_over_in_any_case(text: str) -> None:
    found = JO.redact(text)
    assert ERASED in found
    assert "jo.do@example.com" not in found.lower()


@pytest.mark.parametrize(
    "text",
    ["banjo.do@example.com", "jo.do@example.community", "jo.do@example.co", "joXdo@example.com"],
)
def test_another_address_stays(text: str) -> None:
    assert JO.redact(text) == text
    assert JO.redact_json(json.dumps([text]).encode()) == json.dumps([text]).encode()


def escaped(text: str, every: int) -> str:
    return "".join(rf"\u{ord(c):04x}" if n % every == 0 else c for n, c in enumerate(text))


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("text", ["jo.do@example.com", "JO.do@Example.com"])
def test_json_may_escape_each_character(text: str, every: int) -> None:
    raw = f'{{"{escaped(text, every)}": [12.50, "to {escaped(text, every)}"]}}'.encode()
    assert JO.redact_json(raw) == b'{"[erased]": [12.50, "to [erased]"]}'


@pytest.mark.parametrize(
    ("address", "raw"),
    [
        ("nora@b.com", rb'"a\nora@b.com"'),  # a line end, then another address
        ("u0041@b.com", rb'"\u0041@b.com"'),
        ("a@b.com", rb'"\\u0061@b.com"'),
    ],
)
def test_an_escape_is_never_cut(address: str, raw: bytes) -> None:
    json.loads(raw)
    assert Address.of(address).redact_json(raw) == raw


TEXTS = st.text(st.sampled_from('jo.d@example,cm \\n"\u00e9/u06f'), max_size=40)


@given(TEXTS, TEXTS)
def test_what_is_written_over_is_json_and_means_the_same_as_in_a_text(one: str, two: str) -> None:
    for ascii_only in (True, False):
        raw = json.dumps({"k": one + "jo.do@example.com" + two}, ensure_ascii=ascii_only).encode()
        found = json.loads(JO.redact_json(raw))["k"]
        assert JO.redact(found) == found


def test_events_of_the_person_from_before_are_dropped() -> None:
    old, new = (make_event(ms=T + ms, email="JO.do@example.com") for ms in (-1, 0))
    other = make_event("for jo.do@example.com", ms=T - 5, email="banjo.do@example.com")
    later = make_event("for jo.do@example.com", ms=T + 5)
    told = stone()
    found = erase(batch_of(old, other, new, later), [told])
    assert [event.id for event in found.events] == [other.id, new.id, later.id]
    assert [event.message for event in found.events] == [
        "for [erased]",
        *["a message"],
        later.message,
    ]
    assert found.entries == [b"1-0", b"2-0", b"3-0", b"4-0"]
    assert found.ids == list(map(id_bytes, (other, new, later, old)))
    assert found.entries_of_events() == [b"2-0", b"3-0", b"4-0"]
    assert found.erased is not None
    assert found.erased.hours == {(told.erasure, old.created_at[:13])}
    assert [found.count_erased_behind(place) for place in ("0-0", "1-0")] == [1, 0]


def test_several_persons_are_erased_at_once() -> None:
    batch = batch_of(
        *(
            make_event(f"of {name}", ms=T - 1 - n, email=name)
            for n, name in enumerate(("a@b.c", "d@e.f"))
        ),
        make_event("a@b.c and d@e.f", ms=T - 3, data=rb'{"to":["A@B.C","d\u0040e.f"]}'),
        make_event("of a@b.c again", ms=T - 4, email="A@b.c"),
    )
    found = erase(batch, [stone(Address.of("a@b.c")), stone(Address.of("d@e.f"))])
    (left,) = found.events
    assert left.message == "[erased] and [erased]"
    assert bytes(left.data) == b'{"to":["[erased]","[erased]"]}'
    assert found.entries_of_events() == [b"3-0"]
    assert sorted(found.ids) == sorted(batch.ids)
    assert found.ids[0] == id_bytes(left)
    assert found.erased is not None
    assert found.erased.entries == {b"1-0", b"2-0", b"4-0"}


def test_a_batch_without_the_person_is_left_as_it_is() -> None:
    batch = batch_of(make_event(email="x@y.z"), make_event(data=rb'"\u00e4\u0041"'))
    assert erase(batch, [stone()]) == batch


def test_entries_that_are_no_events_are_erased_too() -> None:
    batch = replace(
        batch_of(make_event(ms=T - 1)),
        entries=[b"1-0", b"2-0", b"3-0", b"%d-0" % T],
        unreadable=[
            Unreadable(b"2-0", b'{"email": "jo.do@EXAMPLE.com", "more": 1}', "no event"),
            Unreadable(b"3-0", b"raw jo.do@example.com \xff", "no event: jo.do@example.com"),
            Unreadable(b"%d-0" % T, b"jo.do@example.com", "no event"),
        ],
    )
    found = erase_unreadable(batch, [stone()])
    assert [(one.raw, one.reason) for one in found.unreadable] == [
        (b"raw [erased] \xff", "no event: [erased]"),
        (b"jo.do@example.com", "no event"),
    ]
    assert found.erased is not None
    assert found.erased.entries == {b"2-0"}
    assert found.entries_of_events() == [b"1-0"]


def test_a_tombstone_survives_the_queue() -> None:
    told = stone()
    assert Tombstone.decode(str(told.erasure).encode(), told.encode()) == told
    assert created_ms(make_event(ms=T)) == T
