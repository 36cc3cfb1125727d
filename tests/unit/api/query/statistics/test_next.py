"""`next` keeps the minute at which the relative dates of its question were read."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import pytest

from api.query import clock
from api.query.pairs import InvalidQuery
from api.query.statistics import places
from api.query.statistics.params import StatsQuestion, parse_stats
from storage.model.event import to_datetime
from storage.statistics.marks import MAX_NAMED
from storage.statistics.reader import Place
from storage.statistics.window import Window

MINUTE = 29_600_000
START = datetime(2026, 3, 1, tzinfo=UTC)
PLACE = Place(Window(START, START + timedelta(days=9)), START + timedelta(days=2), ())
RELATIVE = ["occurred_from=-24h", "occurred_to=now", "q=occurred_at%3E-24h", "from_date=-24h"]

SetMinute = Callable[[int], None]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> SetMinute:
    return lambda minute: monkeypatch.setattr(clock, "time", lambda: minute * 60)


def asked(query: str, following: str = "") -> StatsQuestion:
    return parse_stats(f"{query}&next={following}".encode())


def place_of(question: StatsQuestion, minute: int | None = None) -> str:
    return places.encode(PLACE, question.minute if minute is None else minute, question.key)


@pytest.mark.parametrize("later", [1, 60, 10_000_000, -1])
@pytest.mark.parametrize("query", RELATIVE)
def test_a_question_that_continues_reads_relative_dates_where_it_began(
    at: SetMinute, query: str, later: int
) -> None:
    at(MINUTE)
    first = asked(query)
    at(MINUTE + later)
    found = asked(query, place_of(first))
    assert (found.question, found.key, found.minute) == (first.question, first.key, MINUTE)
    assert found.place == PLACE
    assert place_of(found) == place_of(first), "the next of the next as well"
    assert asked(query).question != first.question, "without `next` it is another question"


def test_a_window_that_was_forwards_stays_so(at: SetMinute) -> None:
    at(MINUTE)
    query = f"occurred_from=-1m&occurred_to={to_datetime(MINUTE * 60_000):%Y-%m-%dT%H:%MZ}"
    place = place_of(asked(query))
    at(MINUTE + 5)
    assert asked(query, place).place == PLACE
    with pytest.raises(InvalidQuery, match="is after occurred_to"):
        asked(query)


@pytest.mark.parametrize(
    "other", ["occurred_from=-23h", "occurred_to=-24h", "q=occurred_at%3E-1439m", "message=paid"]
)
def test_another_question_is_refused_at_each_minute(at: SetMinute, other: str) -> None:
    at(MINUTE)
    place = place_of(asked("occurred_from=-24h"))
    for minute in (MINUTE, MINUTE - 60, MINUTE + 60):
        at(minute)
        with pytest.raises(InvalidQuery, match="is not the next"):
            asked(other, place)


@pytest.mark.parametrize("minute", [-(2**63), -1, 2**63 - 1, 10**12])
def test_a_minute_that_no_date_has_is_refused(at: SetMinute, minute: int) -> None:
    at(MINUTE)
    question = asked("occurred_from=-24h")
    with pytest.raises(InvalidQuery, match="is not the next"):
        asked("occurred_from=-24h", place_of(question, minute))


@pytest.mark.parametrize("minute", [0, 4_223_371_679])
def test_at_the_ends_of_time_a_date_is_read_or_refused(at: SetMinute, minute: int) -> None:
    at(minute)
    for query in ("occurred_from=-999999d", "occurred_from=-24h"):
        try:
            place = place_of(asked(query))
        except InvalidQuery:
            continue
        assert asked(query, place).minute == minute


def test_a_minute_that_was_changed_is_refused(at: SetMinute) -> None:
    at(MINUTE)
    place = place_of(asked("occurred_from=-24h"))
    raw = bytearray(urlsafe_b64decode(place + "=" * (-len(place) % 4)))
    raw[31] ^= 1
    forged = urlsafe_b64encode(raw).rstrip(b"=").decode()
    assert places.minute_of(forged) == MINUTE ^ 1
    with pytest.raises(InvalidQuery, match="is not the next"):
        asked("occurred_from=-24h", forged)


@pytest.mark.parametrize("text", ["A", "AAAA", "A" * 600, "A" * 601, "é", "+/", "=" * 80])
def test_what_is_no_place_is_refused(at: SetMinute, text: str) -> None:
    at(MINUTE)
    with pytest.raises(InvalidQuery, match="is not the next"):
        asked("occurred_from=-24h", text)


def test_the_longest_place_is_within_its_bound() -> None:
    marks = tuple(blake2b(bytes([n]), digest_size=8).digest() for n in range(MAX_NAMED))
    text = places.encode(Place(PLACE.window, PLACE.until, marks), MINUTE, b"question")
    assert len(text) <= places.MAX_LENGTH
    assert places.decode(text, MINUTE, b"question").named == marks
