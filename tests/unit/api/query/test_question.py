"""A question is remembered as long as it means the same: one with a relative date for a minute."""

import pytest

from api.query import clock
from api.query.question import PageQuestion, parse, parse_remembered
from storage.model.event import to_datetime

MINUTE = 29_600_000


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> "Times":
    return Times(monkeypatch)


class Times:
    """Set the clock."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def __call__(self, minute: int, second: float = 0) -> None:
        self._patch.setattr(clock, "time", lambda: minute * 60 + second)


def page(query: bytes) -> PageQuestion:
    found = parse(query).asked
    assert isinstance(found, PageQuestion)
    return found


@pytest.mark.parametrize("padding", ["", "&message=" + "x" * 999 + "&message=" + "y" * 99])
@pytest.mark.parametrize("date", ["-24h", "%2D24h", "-1440m", "-1d"])
def test_a_relative_date_is_counted_from_the_minute_in_which_it_is_asked(
    at: Times, date: str, padding: str
) -> None:
    query = f"from_date={date}{padding}".encode()
    at(MINUTE)
    first = page(query)
    at(MINUTE, 59.999)
    assert page(query) == first
    assert first.filters.start == to_datetime((MINUTE - 1440) * 60_000)
    at(MINUTE + 1)
    assert page(query).filters.start == to_datetime((MINUTE - 1439) * 60_000)
    assert page(query).digest != first.digest
    at(MINUTE)
    assert page(query) == first, "also when the clock goes back"


def test_an_absolute_date_is_the_same_question_in_each_minute(at: Times) -> None:
    query = b"from_date=2026-04-16T00:00Z"
    at(MINUTE)
    first = parse_remembered(query, None)
    at(MINUTE + 1)
    assert parse_remembered(query, None) is first


def test_a_relative_date_and_the_instant_that_it_means_are_one_question(at: Times) -> None:
    at(MINUTE, 30)
    instant = to_datetime(MINUTE * 60_000)
    assert page(b"to_date=now").digest == page(f"to_date={instant:%Y-%m-%dT%H:%MZ}".encode()).digest


def test_a_window_of_relative_dates_goes_forward(at: Times) -> None:
    at(MINUTE)
    assert page(b"from_date=-24h&to_date=-15m").filters.end == to_datetime((MINUTE - 15) * 60_000)
    with pytest.raises(ValueError, match="is after to_date"):
        parse(b"from_date=now&to_date=-15m")


@pytest.mark.parametrize("date", ["-24", "-24s", "24h", "-1.5h", "- 1h", "Now", "-9999999d", "-d"])
def test_another_form_is_refused_with_those_that_are_known(date: str) -> None:
    with pytest.raises(ValueError, match=r"-15m, -24h, -7d, now"):
        parse(f"from_date={date}".encode())


def test_a_date_before_all_years_is_a_fault(at: Times) -> None:
    at(MINUTE)
    with pytest.raises(ValueError, match="not an accepted date"):
        parse(b"from_date=-999999d")
