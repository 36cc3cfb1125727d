"""When an event happened: what RFC 3339 allows, in one form; an event without it is as before."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.formats.native_fast import EventIn, parse, parse_many
from api.formats.native_validate import validate
from api.formats.occurred_at import canonical_instant
from api.http.problems import Problem
from api.ingest.stamping import restamp, stamp_batch, stamp_event
from storage.events.copy_format import COLUMNS, copy_text
from storage.model.entries import read_event
from storage.model.event import Event, decode_event, encode_event, new_stamp
from storage.model.filters import Filters, canonical, digest
from storage.model.occurred_at import occurred_text, require_occurred_texts
from tests.support.native_events import LIMIT, body

KEPT = "2026-04-16T12:30:00.250000Z"


class EventOfBefore(msgspec.Struct):
    """An event as an earlier version reads and writes it."""

    id: str
    created_at: str
    component: str
    environment: str
    message: str
    email: str | None
    data: msgspec.Raw


def posted(**fields: Any) -> EventIn:
    event = parse(body(**fields))
    assert event is not None
    return event


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2026-04-16T12:30:00.25Z", KEPT),
        ("2026-04-16t12:30:00.250000z", KEPT),
        ("2026-04-16T14:30:00.25+02:00", KEPT),
        ("2026-04-16T12:30:00.2500009999999999999999999999Z", KEPT),
        ("2026-04-16T12:30:00.25-00:00", KEPT),
        ("2026-04-15T12:31:00.25-23:59", KEPT),
        ("2026-04-16T12:30:00Z", "2026-04-16T12:30:00.000000Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"),
        ("2016-12-31T15:59:60.5-08:00", "2017-01-01T00:00:00.500000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_an_instant_of_rfc_3339_is_kept_in_one_form(text: str, kept: str) -> None:
    assert canonical_instant(text) == kept
    require_occurred_texts([kept])
    assert posted(occurred_at=text) == validate(body(occurred_at=text), LIMIT)
    assert posted(occurred_at=text).occurred_at == kept


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "infinity", "2026-04-16", "2026-04-16T12:30Z", "2026-04-16T12:30:00"),
        *("2026-04-16T12:30:00.Z", "2026-04-16T12:30:00,5Z", "2026-04-16T12:30:00+0200"),
        *("2026-13-16T12:30:00Z", "2026-04-16T12:30:60Z", "2016-12-31T23:59:61Z"),
        *("10000-04-16T12:30:00Z", "0000-04-16T12:30:00Z", "9999-12-31T23:59:60Z"),
        *("٢٠٢٦-04-16T12:30:00Z", " 2026-04-16T12:30:00Z", "2026-04-16T12:30:00Z\n"),
    ],
)
def test_what_is_none_is_refused_by_both_ways_of_reading(text: str) -> None:
    with pytest.raises(ValueError, match=r"^is not"):
        canonical_instant(text)
    sent = body(occurred_at=text)
    assert parse(sent) is None is parse_many([body(), sent])
    with pytest.raises(Problem) as caught:
        validate(sent, LIMIT)
    assert [fault.pointer for fault in caught.value.faults] == ["/occurred_at"]


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_any_instant_that_python_writes_is_read_back(instant: datetime) -> None:
    try:
        kept = occurred_text(instant)
    except OverflowError:
        return
    assert canonical_instant(kept) == kept
    assert datetime.fromisoformat(kept) == instant
    require_occurred_texts([kept])


@pytest.mark.parametrize("fields", [{}, {"occurred_at": None}])
def test_an_event_without_it_has_the_bytes_of_the_version_before(fields: dict[str, None]) -> None:
    single = stamp_event(posted(**fields)).body
    (many,) = stamp_batch([posted(**fields)], new_stamp()).bodies
    checked = stamp_event(validate(body(**fields), LIMIT)).body
    for text in (single, many, checked):
        assert b"occurred_at" not in text
        old = msgspec.json.decode(text, type=EventOfBefore)
        assert msgspec.json.encode(old) == text == encode_event(decode_event(text))


def test_every_way_of_stamping_keeps_it() -> None:
    stamp = new_stamp()
    batch = stamp_batch([posted(occurred_at=KEPT)], stamp)
    for text in (*batch.bodies, stamp_event(posted(occurred_at=KEPT)).body):
        assert read_event(text).occurred_at == KEPT
        assert encode_event(decode_event(text)) == text
    assert restamp(batch, stamp).bodies == batch.bodies


def queued(**fields: Any) -> Event:
    return read_event(stamp_event(posted(**fields)).body)


def test_a_row_has_it_in_the_last_column() -> None:
    assert COLUMNS.endswith(", occurred_at")
    without, with_it = copy_text([queued(), queued(occurred_at=KEPT)]).decode().splitlines()
    assert without.endswith("\t\\N")
    assert with_it.endswith(f"\t{KEPT}")
    assert len(without.split("\t")) == len(with_it.split("\t")) == len(COLUMNS.split(","))


@pytest.mark.parametrize(
    "text", ["now", "infinity", "2026-04-16T12:30:00Z", "2026-02-30" + KEPT[10:]]
)
def test_an_entry_with_another_text_is_no_event(text: str) -> None:
    """PostgreSQL would take some of them, and Python could not read them again."""
    entry = json.loads(stamp_event(posted()).body)
    with pytest.raises(ValueError, match=r"no event"):
        read_event(json.dumps({**entry, "occurred_at": text}).encode())


def test_a_question_without_it_keeps_its_cache_key() -> None:
    instant = datetime(2026, 4, 16, tzinfo=UTC)
    assert b"occurred" not in canonical(Filters())
    asked = [
        Filters(),
        Filters(occurred_from=instant),
        Filters(occurred_to=instant),
        Filters(end=instant),
    ]
    assert len(set(map(digest, asked))) == 4
