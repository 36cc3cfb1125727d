"""Dates: every accepted form means one instant, everything else says why not."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.query.dates import ACCEPTED_FORMS, end_of, start_of

DAY = datetime(2021, 4, 16, tzinfo=UTC)
HALF_PAST_TWELVE = datetime(2021, 4, 16, 12, 30, tzinfo=UTC)

INSTANTS = st.datetimes(timezones=st.just(UTC))
DAYS = st.dates(max_value=date(9999, 12, 30))
# 9 to 11 digits of seconds since 1970.
EPOCH_INSTANTS = st.datetimes(
    datetime(1973, 3, 3, 9, 46, 40), datetime(5138, 11, 16), timezones=st.just(UTC)
)


@pytest.mark.parametrize("text", ["04-16-2021", "2021-04-16", " 2021-04-16\n"])
def test_a_day_starts_at_its_midnight_and_ends_at_the_next(text: str) -> None:
    assert start_of(text) == DAY
    assert end_of(text) == DAY + timedelta(days=1)


@pytest.mark.parametrize(
    "text",
    [
        "2021-04-16T12:30",
        "2021-04-16 12:30",
        "2021-04-16t12:30z",
        "2021-04-16T12:30:00Z",
        "2021-04-16T12:30:00.0",
        "2021-04-16T12:30:00.000000000Z",
        "2021-04-16T14:30+02:00",
        "2021-04-16T14:30+0200",
        "2021-04-16T14:30:00 02:00",
        "2021-04-16 14:30 0200",
        "2021-04-16T07:00:00.000-05:30",
        "2021-04-17T00:30+12:00",
        "1618576200",
        "1618576200.0",
        "  1618576200  ",
    ],
)
def test_an_instant_is_itself_at_both_ends(text: str) -> None:
    assert start_of(text) == HALF_PAST_TWELVE
    assert end_of(text) == HALF_PAST_TWELVE


def test_every_answer_is_in_utc() -> None:
    assert start_of("2021-04-16T14:30+02:00").tzinfo is UTC
    assert end_of("04-16-2021").tzinfo is UTC


def test_a_space_instead_of_the_t_is_no_offset() -> None:
    assert start_of("2021-04-16 02:00") == DAY + timedelta(hours=2)


@pytest.mark.parametrize(
    "text", ["2021-04-16T00:00:00.123456999Z", "1618531200.123456999", "1618531200.1234569"]
)
def test_a_fraction_is_cut_off_after_microseconds(text: str) -> None:
    assert start_of(text) == DAY + timedelta(microseconds=123_456)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("02-30-2021", "day"),
        ("2021-02-29", "day"),
        ("13-01-2021", "month must be in 1..12"),
        ("16-04-2021", "month must be in 1..12"),
        ("00-10-2021", "month"),
        ("0000-01-01", "year 0 "),
        ("2021-04-16T24:00", "hour must be in 0..23"),
        ("2021-04-16T12:60", "minute"),
        ("2021-04-16T12:30:60Z", "second"),
        ("2021-04-16T12:30+24:00", "offset"),
        ("2021-04-16T12:30+02:60", "offset"),
        ("0001-01-01T00:00+02:00", "range"),
        ("9999-12-31T23:59-02:00", "range"),
        ("20210416", "8 digits"),
        ("-1618576200", "before 1970"),
        ("1618576200000", "milliseconds"),
        ("12345", "9 to 11 digits"),
        ("1618576200.1234567890", "at most 9"),
        ("1618576200.", "at most 9"),
        ("", "form"),
        ("yesterday", "form"),
        ("4-16-2021", "form"),
        ("04/16/2021", "form"),
        ("2021-04-16Z", "form"),
        ("2021-04-16T12", "form"),
        ("2021-04-16T12:30:00.", "form"),
        ("2021-04-16T12:30:00.1234567890", "form"),
        ("2021-04-16T12:30Z+02:00", "form"),
        ("٢٠٢١-٠٤-١٦", "form"),
        ("16185762٠٠", "form"),
        ("1_618_576_200", "form"),
    ],
)
def test_what_is_no_date_says_why_and_lists_the_forms(text: str, why: str) -> None:
    for read in (start_of, end_of):
        with pytest.raises(ValueError, match=why) as caught:
            read(text)
        assert ACCEPTED_FORMS in str(caught.value)


def test_the_last_day_has_a_start_but_no_end() -> None:
    assert start_of("9999-12-31") == datetime(9999, 12, 31, tzinfo=UTC)
    with pytest.raises(ValueError, match="no day after it") as caught:
        end_of("12-31-9999")
    assert ACCEPTED_FORMS in str(caught.value)


def test_a_long_text_is_quoted_in_part() -> None:
    with pytest.raises(ValueError, match="form") as caught:
        start_of("x" * 1000)
    assert len(str(caught.value)) < 500


@given(DAYS, st.sampled_from(["us", "iso"]))
def test_any_day_is_read_back(day: date, form: str) -> None:
    us = f"{day.month:02}-{day.day:02}-{day.year:04}"
    text = us if form == "us" else day.isoformat()
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert start_of(text) == midnight
    assert end_of(text) == midnight + timedelta(days=1)


@given(INSTANTS, st.sampled_from("Tt "), st.sampled_from(["Z", "z", "", "+00:00", "-0000"]))
def test_any_instant_is_read_back(instant: datetime, between: str, zone: str) -> None:
    text = instant.replace(tzinfo=None).isoformat(between, "microseconds") + zone
    assert start_of(text) == end_of(text) == instant


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
    st.integers(-1439, 1439),
    st.booleans(),
    st.booleans(),
)
def test_any_offset_is_read_back(
    instant: datetime, minutes: int, colon: bool, plus_was_lost: bool
) -> None:
    text = instant.astimezone(timezone(timedelta(minutes=minutes))).isoformat("T", "microseconds")
    text = text if colon else text[:-3] + text[-2:]
    text = text.replace("+", " ") if plus_was_lost else text
    assert start_of(text) == instant


@given(EPOCH_INSTANTS)
def test_any_epoch_seconds_are_read_back(instant: datetime) -> None:
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    text = f"{since.days * 86_400 + since.seconds}.{since.microseconds:06}"
    assert start_of(text) == instant
    assert start_of(text.split(".")[0]) == instant.replace(microsecond=0)


@given(st.text() | st.text("0123456789-:. TZ+", max_size=30))
def test_any_text_is_a_date_or_a_value_error(text: str) -> None:
    for read in (start_of, end_of):
        wrong = ACCEPTED_FORMS
        try:
            assert read(text).tzinfo is UTC
        except ValueError as error:
            wrong = str(error)
        assert ACCEPTED_FORMS in wrong
