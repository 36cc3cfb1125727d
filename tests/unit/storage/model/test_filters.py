"""The normalised filters: equal questions meet, different ones never do."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model.filters import Filters, NotJSON, canonical, canonical_json, digest
from storage.model.normal_form import lower_ascii
from tests.support.trees import trees

DAY = datetime(2021, 4, 16, tzinfo=UTC)
EVENT_ID = UUID("018f0000-0000-7000-8000-000000000001")
WORDS = st.lists(st.text(max_size=4), max_size=4)
NAMES = ("component", "environment", "email", "message")
INSTANTS = st.datetimes(
    datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.timezones() | st.just(UTC)
)
FILTERS = st.builds(
    Filters,
    component=WORDS.map(tuple),
    environment=WORDS.map(tuple),
    email=WORDS.map(tuple),
    message=WORDS.map(tuple),
    data=st.lists(WORDS.map(tuple), max_size=3).map(tuple),
    start=st.none() | INSTANTS,
    end=st.none() | INSTANTS,
    where=st.none() | trees(st.sampled_from("abAB")),
    limit=st.integers(1, 1000),
    order=st.sampled_from(["asc", "desc"]),
    cursor=st.none() | st.uuids(),
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('abc\\"[{é😀', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
).filter(lambda value: "\\u0000" not in json.dumps(value))


def test_no_filter_asks_for_the_hundred_newest_of_everything() -> None:
    assert Filters() == Filters(limit=100, order="desc", cursor=None, start=None, end=None)
    assert canonical(Filters()) == b'[[],[],[],[],[],null,null,100,"desc",null]'


def test_values_are_sorted_and_kept_once() -> None:
    filters = Filters(component=("b", "a", "b"), data=(("2", "1", "2"), (), ("1", "2")))
    assert filters.component == ("a", "b")
    assert filters.data == (("1", "2"),)


def test_an_email_is_lowered_in_ascii_only() -> None:
    filters = Filters(email=("ÉVA@Example.ORG", "Éva@example.org"))
    assert filters.email == ("Éva@example.org",)
    assert lower_ascii("AZÀİΣaz") == "azÀİΣaz"


def test_the_case_of_a_component_or_message_is_kept() -> None:
    filters = Filters(component=("Api", "api"), message=("Failed", "failed"))
    assert filters.component == ("Api", "api")
    assert filters.message == ("Failed", "failed")


def test_the_same_instant_in_two_zones_is_the_same_filter() -> None:
    paris = datetime(2021, 4, 16, 14, 30, tzinfo=timezone(timedelta(hours=2)))
    utc = datetime(2021, 4, 16, 12, 30, tzinfo=UTC)
    assert canonical(Filters(start=paris)) == canonical(Filters(start=utc))
    assert str(Filters(start=paris).start) == "2021-04-16 12:30:00+00:00"


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Filters(end=datetime(2021, 4, 16))


def test_instants_are_whole_microseconds_in_the_canonical_form() -> None:
    filters = Filters(start=datetime(2021, 4, 16, 0, 0, 0, 1, tzinfo=UTC), cursor=EVENT_ID)
    assert canonical(filters) == (
        b'[[],[],[],[],[],1618531200000001,null,100,"desc","018f0000-0000-7000-8000-000000000001"]'
    )


def test_a_digest_is_32_hexadecimal_digits() -> None:
    assert len(digest(Filters())) == 32
    assert bytes.fromhex(digest(Filters()))
    assert digest(Filters()) != digest(Filters(limit=99))


@given(st.sampled_from(NAMES), WORDS, st.randoms())
def test_order_and_repetition_do_not_matter(name: str, words: list[str], random: Random) -> None:
    shuffled = [*words, *words]
    random.shuffle(shuffled)
    values: dict[str, Any] = {name: tuple(words)}
    again: dict[str, Any] = {name: tuple(shuffled)}
    one, other = Filters(**values), Filters(**again)
    assert one == other
    assert canonical(one) == canonical(other)


@given(st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=3), max_size=3), st.randoms())
def test_order_and_repetition_of_data_do_not_matter(
    groups: list[list[str]], random: Random
) -> None:
    shuffled = [[*group, *group] for group in [*groups, *groups]]
    random.shuffle(shuffled)
    for group in shuffled:
        random.shuffle(group)
    one = Filters(data=tuple(map(tuple, groups)))
    assert canonical(one) == canonical(Filters(data=tuple(map(tuple, shuffled))))


@given(FILTERS, FILTERS)
def test_the_canonical_form_is_equal_exactly_when_the_filters_are(
    one: Filters, other: Filters
) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)
    assert (digest(one) == digest(other)) == (one == other)


def test_canonical_json_sorts_keys_and_keeps_every_digit() -> None:
    text = ' { "b" : [1.50, 1E5, -0, 12345678901234567890123.10], "a" : "\\u00e9" } '
    assert canonical_json(text) == '{"a":"é","b":[1.50,1E5,-0,12345678901234567890123.10]}'


def test_of_a_repeated_key_the_last_counts() -> None:
    assert canonical_json('{"a":1,"a":2}') == '{"a":2}'


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "NaN", "[Infinity]", "-Infinity", "01", "é", "\ufeff1", "١"),
        *("1e131072", "1e-16384", "[1e9999999]", "1e" + "9" * 30, "1e-" + "9" * 30),
    ],
)
def test_what_no_event_can_hold_is_not_json(text: str) -> None:
    with pytest.raises(NotJSON):
        canonical_json(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 65 + "]" * 65, "deeper than 64"),
        ("[" * 100_000, "deeper than 64"),
        ("1" * 4301, "4301 digits"),
        ('{"\\u0000":1}', "NUL"),
        ('["\\ud800"]', "lone surrogate"),
    ],
)
def test_json_that_is_refused_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        canonical_json(text)
    assert not isinstance(caught.value, NotJSON)


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 64 + "]" * 64, '"' + "[" * 99 + '\\"{"', "1" * 4300, "1e131071", "1e-16383"),
        *('"😀"', "-1.5e-10"),
    ],
)
def test_json_within_the_bounds_is_taken(text: str) -> None:
    assert canonical_json(text) == text


@given(JSON_VALUES, st.booleans())
def test_canonical_json_is_the_same_value_and_stays_as_it_is(value: Any, escape: bool) -> None:
    form = canonical_json(json.dumps(value, ensure_ascii=escape, indent=1))
    assert json.loads(form) == value
    assert canonical_json(form) == form


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_is_spelt_as_it_was(number: Decimal) -> None:
    assert canonical_json(f"[ {number} ]") == f"[{number}]"


@given(st.text() | st.text('[]{}",:\\u0d8 1e-.', max_size=40))
def test_any_text_has_a_canonical_form_or_a_value_error(text: str) -> None:
    try:
        form = canonical_json(text)
    except ValueError:
        return
    assert canonical_json(form) == form


@pytest.mark.parametrize(
    ("filters", "key"),
    [
        (Filters(), "2de3b61fb36d70e51010f04f87a744b1"),
        (
            Filters(component=("api",), email=("A@b.c",), start=DAY, limit=5),
            "570067291038d3bbbdd5846e6c862677",
        ),
    ],
)
def test_the_cache_key_of_a_question_stays_when_filters_are_added(
    filters: Filters, key: str
) -> None:
    assert digest(filters) == key
