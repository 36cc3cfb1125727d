"""Ids of events that are made together."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from storage.model.event import Stamp, id_text, id_texts, new_ids, new_stamp

IDS_OF_THAT_STAMP = [
    "01a1ee56-5e00-7025-ad42-53c606e9244d",
    "01a1ee56-5e00-71a5-b5d2-3a5aa23d22f8",
    "01a1ee56-5e00-748f-aa06-071735c215a1",
]
STAMPS = st.builds(Stamp, st.integers(0, 2**48 - 1), st.binary(min_size=16, max_size=16))


@given(STAMPS, st.integers(1, 200))
def test_the_ids_of_a_stamp_are_uuids_of_its_millisecond_in_order(stamp: Stamp, count: int) -> None:
    ids = [UUID(bytes=raw) for raw in new_ids(stamp, count)]
    assert len(set(ids)) == count
    assert ids == sorted(ids)
    assert {(one.version, one.variant, one.int >> 80) for one in ids} == {
        (7, "specified in RFC 4122", stamp.created_ms)
    }


@given(STAMPS)
def test_a_stamp_that_was_kept_gives_the_same_ids_again(stamp: Stamp) -> None:
    again = Stamp.unpack(stamp.pack())
    assert again == stamp
    assert new_ids(again, 50) == new_ids(stamp, 50)


def test_the_ids_of_a_stamp_never_change() -> None:
    """They are the ids of events on some queue: a retry is answered with them for a day."""
    stamp = Stamp(1_795_000_000_000, bytes(range(16)))
    found = [text.decode() for text in id_texts(new_ids(stamp, 3))]
    assert found == IDS_OF_THAT_STAMP


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=50))
def test_many_ids_are_spelt_as_one_is(raw_ids: list[bytes]) -> None:
    assert id_texts(raw_ids) == [str(UUID(bytes=raw)).encode() for raw in raw_ids]
    assert id_texts(raw_ids) == [id_text(raw).encode() for raw in raw_ids]


def test_every_open_bit_of_an_id_is_random() -> None:
    """One that is always the same, or always follows its neighbour, would help to guess."""
    ids = [int.from_bytes(raw, "big") for _ in range(300) for raw in new_ids(new_stamp(), 4)]
    fixed = 0xFFFFFFFFFFFF_F000_C000000000000000
    for bit in range(128):
        if not fixed >> bit & 1:
            ones = sum(one >> bit & 1 for one in ids)
            assert 300 < ones < 900, bit
