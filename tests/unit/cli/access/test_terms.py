"""Durations, dates and rates of the command line, and what a wrong one is told."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from cli.access import terms

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0s", timedelta()),
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("24h", timedelta(days=1)),
        ("90d", timedelta(days=90)),
        ("52w", timedelta(weeks=52)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    assert terms.duration(text) == length
    assert terms.after(NOW, terms.duration_or_date(text)) == NOW + length
    assert terms.before(NOW, length) == NOW - length


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T18:00:00Z", datetime(2027, 1, 31, 18, tzinfo=UTC)),
        ("2027-01-31T18:00:00+02:00", datetime(2027, 1, 31, 16, tzinfo=UTC)),
        ("2027-01-31T18:00", datetime(2027, 1, 31, 18, tzinfo=UTC)),
    ],
)
def test_a_date_is_its_beginning_in_utc(text: str, instant: datetime) -> None:
    assert terms.after(NOW, terms.duration_or_date(text)) == instant
    assert terms.date(text).tzinfo == UTC


@pytest.mark.parametrize(
    ("parse", "text", "told"),
    [
        (terms.duration, "90", "such as 30s, 15m, 24h, 90d or 52w"),
        (terms.duration, "1.5h", "not a duration"),
        (terms.duration, "-1d", "not a duration"),
        (terms.duration, "٣d", "not a duration"),
        (terms.duration, "tomorrow", "not a duration"),
        (terms.duration, "36501d", "more than 100 years"),
        (terms.duration, "999999999w", "more than 100 years"),
        (terms.date, "31.1.2027", "write 2027-01-31"),
        (terms.date, "9999-12-31", "out of range"),
        (terms.date, "0001-01-01T00:00:00+10:00", "out of range"),
        (terms.duration_or_date, "soon", "neither a duration"),
        (terms.duration_or_date, "", "neither a duration"),
        (terms.rate, "fast", "such as 5000/s"),
        (terms.rate, "0/s", "at least 1"),
        (terms.rate, "10/min", "not a rate"),
        (terms.rate, "9" * 13, "not a rate"),
    ],
)
def test_a_wrong_term_is_answered_with_an_example(
    parse: Callable[[str], object], text: str, told: str
) -> None:
    with pytest.raises(ArgumentTypeError, match=told):
        parse(text)


def test_a_rate_is_a_number_of_events_a_second() -> None:
    assert terms.rate("5000/s") == terms.rate("5000") == 5000
