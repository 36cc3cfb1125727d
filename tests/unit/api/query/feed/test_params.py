"""What the query strings of the feed ask for, and every fault in them."""

import pytest

from api.query.feed.params import (
    OF_CHANGES,
    OF_TAIL,
    ChangesQuestion,
    parse_changes,
    parse_tail,
)
from api.query.pairs import InvalidQuery
from api.query.params import parse_filters
from storage.model.name_limits import NameLimits


def faults(query: str) -> list[str]:
    with pytest.raises(InvalidQuery) as raised:
        parse_changes(query.encode(), None)
    return [fault.detail for fault in raised.value.faults]


def test_without_parameters_everything_is_asked_for_from_now_on_at_once() -> None:
    asked = parse_changes(b"", None)
    assert (asked.after, asked.limit, asked.wait) == (None, 1000, 0)
    assert asked.asked.filters == parse_filters(b"")
    tail = parse_tail(b"", None, None)
    assert (tail.after, tail.skip) == (None, False)


def test_the_filters_are_those_of_pages() -> None:
    query = b"component=a&q=b+OR+c&-email=d&data.x=1&from_date=2026-01-02&occurred_to=2026-01-03"
    for asked in (parse_changes(query, None).asked, parse_tail(query, None, None).asked):
        assert asked.filters == parse_filters(query)
    limits = NameLimits.of(["a", "b*"], [])
    assert limits
    narrowed = parse_changes(b"component=a&component=z", limits).asked
    assert narrowed.filters.component == ("a",)
    assert narrowed.name != parse_changes(b"component=a", None).asked.name


def test_equal_questions_have_equal_names() -> None:
    def name(asked: ChangesQuestion) -> str:
        return asked.asked.name

    one = parse_changes(b"component=a&component=b&limit=5", None)
    other = parse_changes(b"component=b&component=a&wait=3&after=start", None)
    assert name(one) == name(other)
    assert name(one) != name(parse_changes(b"component=b", None))


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("limit=0", "limit must be a whole number from 1 to 1000"),
        ("limit=1001", "limit must be a whole number from 1 to 1000"),
        ("wait=61", "wait must be a whole number from 0 to 60"),
        ("wait=-1", "wait must be a whole number from 0 to 60"),
        ("wait=1.5", "wait must be a whole number from 0 to 60"),
        ("wait=" + "1" * 5000, "wait must be a whole number from 0 to 60"),
        ("limit=1&limit=2", "limit is given more than once, with different values"),
        ("after=", "after is blank: send start or a token, or leave it out"),
        ("after=%20&after=start", "after is blank: send start or a token, or leave it out"),
        ("after=a&after=b", "after is given more than once, with different values"),
    ],
)
def test_a_fault_is_told(query: str, told: str) -> None:
    assert faults(query) == [told]


def test_every_fault_is_told_at_once() -> None:
    assert len(faults("limit=x&wait=x&after=&from_date=x&nothing=1")) == 5


@pytest.mark.parametrize("name", ["from_date", "to_date"])
@pytest.mark.parametrize("value", ["-24h", "now"])
def test_a_relative_date_is_refused_by_name(name: str, value: str) -> None:
    (told,) = faults(f"component=a&{name}={value}")
    assert told.startswith(f"{name} has a relative date, but a feed goes on")
    with pytest.raises(InvalidQuery):
        parse_tail(f"{name}={value}".encode(), None, None)


@pytest.mark.parametrize("name", ["order", "cursor", "id", "fresh", "skip"])
def test_what_only_pages_or_streams_have_is_unknown(name: str) -> None:
    (told,) = faults(f"{name}=asc")
    assert told.startswith(f"{name} is not a parameter")
    assert all(known in told for known in OF_CHANGES)


def test_the_header_of_a_reconnection_goes_before_the_parameter() -> None:
    assert parse_tail(b"after=start", None, None).after == "start"
    assert parse_tail(b"after=start", "token", None).after == "token"
    assert parse_tail(b"skip=true", "token", None).skip
    assert set(OF_TAIL) == {"after", "skip"}
    for query in (b"skip=yes", b"skip=true&skip=false", b"limit=1", b"wait=1"):
        with pytest.raises(InvalidQuery):
            parse_tail(query, None, None)
