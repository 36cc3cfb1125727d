"""Bars in zones whose clock changes, against the definition: equal by clock and calendar."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.statistics.bars import (
    INTERVALS,
    MAX_BARS,
    Interval,
    TooManyBars,
    choose,
    instant_text,
    starts,
)
from tests.support.statistics import bar_of


def texts(start: str, end: str, interval: Interval, zone: str) -> list[str]:
    first, last = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end))
    return [instant_text(one) for one in starts(first, last, interval, ZoneInfo(zone))]


@pytest.mark.parametrize(
    ("zone", "start", "end", "interval", "expected"),
    [
        # The night in which the clock is set back: a day of 25 hours, and 2 o'clock twice.
        (
            *("Europe/Berlin", "2026-10-24T22:00", "2026-10-26T23:00", "day"),
            ["2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"],
        ),
        (
            *("Europe/Berlin", "2026-10-24T23:30", "2026-10-25T02:30", "hour"),
            *[
                [
                    "2026-10-24T23:30:00Z",
                    "2026-10-25T00:00:00Z",
                    "2026-10-25T01:00:00Z",
                    "2026-10-25T02:00:00Z",
                ]
            ],
        ),
        (
            *("Europe/Berlin", "2026-10-20T00:00", "2026-11-03T00:00", "week"),
            ["2026-10-20T00:00:00Z", "2026-10-25T23:00:00Z", "2026-11-01T23:00:00Z"],
        ),
        (
            *("Europe/Berlin", "2026-09-30T22:00", "2026-12-15T00:00", "month"),
            ["2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z"],
        ),
        (
            *("UTC", "2028-01-31T05:00", "2028-03-01T00:00:01", "month"),
            ["2028-01-31T05:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"],
        ),
        # Half an hour and three quarters off; set back by half an hour.
        (
            *("Asia/Kathmandu", "2026-01-01T00:00", "2026-01-01T01:20", "hour"),
            ["2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z", "2026-01-01T01:15:00Z"],
        ),
        (
            *("Australia/Lord_Howe", "2026-04-04T14:00", "2026-04-04T16:00", "hour"),
            ["2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z"],
        ),
        # An offset with seconds, until it changed.
        (
            *("Africa/Monrovia", "1972-01-06T23:00", "1972-01-07T01:30", "hour"),
            *[
                [
                    "1972-01-06T23:00:00Z",
                    "1972-01-06T23:44:30Z",
                    "1972-01-07T00:44:30Z",
                    "1972-01-07T01:00:00Z",
                ]
            ],
        ),
        # Midnight is skipped; a date is left out; a date begins twice.
        (
            *("America/Sao_Paulo", "2017-10-14T03:00", "2017-10-16T02:00", "day"),
            ["2017-10-14T03:00:00Z", "2017-10-15T03:00:00Z"],
        ),
        (
            *("Pacific/Apia", "2011-12-29T10:00", "2012-01-01T00:00", "day"),
            ["2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"],
        ),
        (
            *("America/St_Johns", "2010-11-06T02:30", "2010-11-08T03:30", "day"),
            ["2010-11-06T02:30:00Z", "2010-11-07T02:30:00Z"],
        ),
        # The ends of all years.
        (
            *("Asia/Tokyo", "0001-01-01T00:00", "0001-01-02T00:00", "day"),
            ["0001-01-01T00:00:00Z", "0001-01-01T14:41:01Z"],
        ),
        ("Asia/Tokyo", "9999-12-31T16:00", "9999-12-31T23:00", "week", ["9999-12-31T16:00:00Z"]),
        ("UTC", "2026-01-01", "2026-01-01", "hour", []),
    ],
)
def test_a_bar_begins_where_the_zone_says(
    zone: str, start: str, end: str, interval: Interval, expected: list[str]
) -> None:
    assert texts(start, end, interval, zone) == expected


ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu"),
    *("Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo", "Africa/Casablanca"),
)


@given(
    st.sampled_from(ZONES),
    st.sampled_from(INTERVALS),
    st.datetimes(datetime(1971, 1, 1), datetime(2030, 1, 1)),
    st.integers(60, 3_000_000_000),
)
def test_bars_divide_a_window_as_clock_and_calendar_do(
    name: str, interval: Interval, start: datetime, length: int
) -> None:
    zone, first = ZoneInfo(name), start.replace(tzinfo=UTC)
    last = first + timedelta(milliseconds=length // (60 if interval == "minute" else 1))
    found = starts(first, last, interval, zone)

    assert found[0] == first
    assert all(one < other < last for one, other in pairwise(found))
    edges = [*found, last]
    for start_at, end_at in pairwise(edges):
        at_end = end_at - timedelta(microseconds=1)
        assert bar_of(start_at, interval, zone) == bar_of(at_end, interval, zone)
    for one, other in pairwise(found):
        assert bar_of(one, interval, zone) != bar_of(other, interval, zone)


def test_too_many_bars_are_refused_with_the_interval_that_fits() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(TooManyBars, match="interval=hour fits"):
        starts(start, start + timedelta(days=10), "minute", ZoneInfo("UTC"))
    with pytest.raises(TooManyBars, match="narrow the window"):
        starts(datetime(1, 1, 1, tzinfo=UTC), start, "week", ZoneInfo("UTC"))
    exactly = start + timedelta(minutes=MAX_BARS)
    assert len(starts(start, exactly, "minute", ZoneInfo("UTC"))) == MAX_BARS
    with pytest.raises(TooManyBars):
        starts(start, exactly + timedelta(microseconds=1), "minute", ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (timedelta(0), "minute"),
        (timedelta(hours=12), "minute"),
        (timedelta(days=1), "hour"),
        (timedelta(days=31), "hour"),
        (timedelta(days=700), "day"),
        (timedelta(days=2_000), "week"),
        (timedelta(days=20_000), "month"),
    ],
)
def test_the_service_chooses_an_interval_for_a_chart(length: timedelta, expected: str) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert choose(start, start + length) == expected
