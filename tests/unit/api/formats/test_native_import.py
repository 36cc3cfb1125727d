"""Imported events: read fast and precisely with one result, each with its time and its id."""

import json
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.formats.native_import import ImportIn, import_reader
from api.http.problems import Problem

READER = import_reader(100_000)
EVENT = {"component": "c", "environment": "e", "message": "m"}
OWN = "01747c5b-8a7b-7000-8000-000000000000"


def body(**more: Any) -> bytes:
    return json.dumps({**EVENT, **more}).encode()


def read(raw: bytes) -> tuple[str, str]:
    """Return id and time, which every way to read must agree about."""
    precise = cast(ImportIn, READER.validate(raw))
    found = (cast(str, precise.id), cast(str, precise.created_at))
    single, many = READER.parse(raw), READER.parse_many([raw])
    for fast in [single, *(many or [])]:
        if fast is not None:
            quick = cast(ImportIn, fast)
            assert (quick.id, quick.created_at) == found
    return found


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05.000Z"),
        ("2020-01-02T03:04:05.123Z", "2020-01-02T03:04:05.123Z"),
        ("2020-01-02T03:04:05.123999Z", "2020-01-02T03:04:05.123Z"),
        ("2020-01-02t03:04:05.1z", "2020-01-02T03:04:05.100Z"),
        ("2020-01-02T03:04:05+02:00", "2020-01-02T01:04:05.000Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
        ("2020-02-29T23:59:59.999Z", "2020-02-29T23:59:59.999Z"),
    ],
)
def test_a_time_is_kept_in_utc_and_is_that_of_the_id(given_: str, kept: str) -> None:
    event_id, created_at = read(body(created_at=given_, import_id="7"))
    assert created_at == kept
    parsed = UUID(event_id)
    assert (parsed.version, parsed.variant) == (7, "specified in RFC 4122")


@pytest.mark.parametrize(
    "text", ["2021-02-29T00:00:00Z", "2020-01-02T24:00:00Z", "2020-01-02T03:60:00Z", "2020-01-02"]
)
def test_an_impossible_time_is_refused_by_every_reader(text: str) -> None:
    raw = body(created_at=text, import_id="7")
    assert (READER.parse(raw), READER.parse_many([raw])) == (None, None)
    with pytest.raises(Problem) as caught:
        READER.validate(raw)
    assert [fault.pointer for fault in caught.value.faults] == ["/created_at"]


@given(
    st.datetimes().map(lambda at: f"{at.isoformat(timespec='milliseconds')}Z"),
    st.text(min_size=1, max_size=300) | st.none(),
)
def test_fast_and_precise_reading_agree(created_at: str, import_id: str | None) -> None:
    raw = body(created_at=created_at, import_id=import_id)
    try:
        expected = read(raw)
    except Problem:
        assert (READER.parse(raw), READER.parse_many([raw])) == (None, None)
        return
    many = READER.parse_many([raw, raw])
    if many is not None:
        assert {(one.id, one.created_at) for one in cast(list[ImportIn], many)} == {expected}


def test_one_bad_item_among_good_ones_is_left_to_the_precise_reader() -> None:
    good = body(created_at="2020-01-02T03:04:05Z", import_id="1")
    assert READER.parse_many([good, body(created_at="2400-01-02T03:04:05Z")]) is None
    own = body(id=OWN)
    events = cast(list[ImportIn], READER.parse_many([good, own]))
    assert [events[1].id, events[1].created_at] == [OWN, "2020-09-11T08:50:08.123Z"]


def test_a_fault_of_the_event_and_of_its_time_are_both_told() -> None:
    with pytest.raises(Problem) as caught:
        READER.validate(body(created_at="x", message="", data={"a": "\0"}))
    assert {fault.pointer for fault in caught.value.faults} == {
        "/created_at",
        "/message",
        "/data/a",
    }
