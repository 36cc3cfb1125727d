"""Cursors: one text for each id, and nothing else is taken."""

from base64 import urlsafe_b64encode
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.query import cursors
from storage.model.event import new_id

EVENT_ID = UUID("018f0000-0000-7000-8000-000000000001")
IDS = st.binary(min_size=16, max_size=16).map(
    lambda raw: UUID(
        bytes=raw[:6] + bytes([0x70 | raw[6] & 15, raw[7], 0x80 | raw[8] & 63]) + raw[9:]
    )
)


def test_a_cursor_is_22_characters_that_need_no_escaping() -> None:
    assert cursors.encode(EVENT_ID) == "AY8AAAAAcACAAAAAAAAAAQ"


def test_the_id_of_an_event_comes_back() -> None:
    event_id = UUID(bytes=new_id(1_618_576_200_000))
    assert cursors.decode(cursors.encode(event_id)) == event_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AY8AAAAAcACAAAAAAAAAA",
        "AY8AAAAAcACAAAAAAAAAAQA",
        "AY8AAAAAcACAAAAAAAAAAQ==",
        "AY8AAAAAcACAAAAAAAAAAQ\n",
        "AY8AAAAAcACAAAAAAAAA+Q",
        "AY8AAAAAcACAAAAAAAAA/Q",
        "AY8AAAAAcACAAAAAAAAA٣Q",
        "018f0000-0000-7000-8000-000000000001",
    ],
)
def test_a_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="next_cursor"):
        cursors.decode(text)


@pytest.mark.parametrize("last", "RSTUVWXYZabcdef")
def test_bits_beyond_the_id_are_refused(last: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        cursors.decode("AY8AAAAAcACAAAAAAAAAA" + last)


@pytest.mark.parametrize(
    "other", [uuid4(), UUID(int=0), UUID("018f0000-0000-7000-c000-000000000001")]
)
def test_an_id_of_another_version_or_variant_is_refused(other: UUID) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        cursors.decode(cursors.encode(other))


@given(IDS)
def test_every_version_7_id_comes_back(event_id: UUID) -> None:
    assert cursors.decode(cursors.encode(event_id)) == event_id


@given(
    st.text()
    | st.binary(min_size=16, max_size=16).map(lambda b: urlsafe_b64encode(b)[:22].decode())
)
def test_any_text_is_the_one_cursor_of_its_id_or_a_value_error(text: str) -> None:
    try:
        event_id = cursors.decode(text)
    except ValueError:
        return
    assert cursors.encode(event_id) == text
