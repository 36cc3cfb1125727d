"""Ids of events that are made together."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from storage.event import Stamp, new_ids, new_stamp

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


def test_every_open_bit_of_an_id_is_random() -> None:
    """One that is always the same, or always follows its neighbour, would help to guess."""
    ids = [int.from_bytes(raw, "big") for _ in range(300) for raw in new_ids(new_stamp(), 4)]
    fixed = 0xFFFFFFFFFFFF_F000_C000000000000000
    for bit in range(128):
        if not fixed >> bit & 1:
            ones = sum(one >> bit & 1 for one in ids)
            assert 300 < ones < 900, bit
