"""The query string: everything it may ask for, and every fault in it at once."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.error_detail import ErrorDetail
from api.query import cursors
from api.query.pairs import InvalidQuery
from api.query.params import parse_filters
from storage.model.filters import Filters, canonical
from tests.support.query_faults import faults_of, only_fault

EVENT_ID = UUID("018f0000-0000-7000-8000-000000000001")
DAY = datetime(2021, 4, 16, tzinfo=UTC)
NAMES = [
    *("component", "environment", "email", "message", "from_date", "to_date", "limit"),
    *("cursor", "order", "data", "data.a", "data.a.b", "data.", "nonsense", ""),
]
VALUES = [
    *("", " ", "api", "2021-04-16", "04-15-2021", "9999-12-31", "10", "0", "desc", "ASC"),
    *(
        '{"a":1}',
        "[1]",
        "1e999999",
        "%00",
        "%ff",
        "%ED%A0%80",
        '"%5Cud800"',
        cursors.encode(EVENT_ID),
    ),
]
WORDS = st.text(min_size=1, max_size=9).filter(lambda text: text.strip() and "\0" not in text)


def test_no_query_asks_for_everything() -> None:
    assert parse_filters(b"") == parse_filters(b"&&") == Filters()


def test_every_parameter_is_understood() -> None:
    query = (
        b"component=api&environment=prod&email=A%40B.org&message=time+out&from_date=04-16-2021"
        b"&to_date=2021-04-17T12:30Z&limit=10&order=ASC&cursor=AY8AAAAAcACAAAAAAAAAAQ"
        b"&data=%7B%22b%22:1.0,%22a%22:2%7D"
    )
    assert parse_filters(query) == Filters(
        component=("api",),
        environment=("prod",),
        email=("a@b.org",),
        message=("time out",),
        data=(('{"a":2,"b":1.0}',),),
        start=DAY,
        end=DAY + timedelta(days=1, hours=12, minutes=30),
        limit=10,
        order="asc",
        cursor=EVENT_ID,
    )


def test_a_repeated_filter_means_any_of_them() -> None:
    assert parse_filters(b"component=b&component=a&component=b").component == ("a", "b")


def test_an_exclusion_is_a_filter_of_its_own() -> None:
    filters = parse_filters(b"-component=b&-component=a&-component=b&-environment=&component=c")
    assert filters == Filters(component=("c",), not_component=("a", "b"))
    assert canonical(filters) != canonical(Filters(component=("a", "b", "c")))
    assert "did you mean -component?" in only_fault(b"-componnet=a").detail


def test_percent_and_plus_are_decoded_as_a_form_does() -> None:
    assert parse_filters(b"message=caf%C3%A9+%2B1%25").message == ("café +1%",)
    assert parse_filters("message=café".encode()).message == ("café",)
    assert parse_filters(b"message=100%&%6dessage=%zz").message == ("%zz", "100%")
    assert parse_filters(b"message=a=b;c").message == ("a=b;c",)


def test_white_space_around_a_text_filter_is_kept() -> None:
    assert parse_filters(b"message=+out").message == (" out",)


def test_empty_and_blank_values_are_ignored() -> None:
    query = b"component=&environment&email=+&from_date=%20&to_date=&limit=&cursor=&order=&data=+"
    assert parse_filters(query) == Filters()


def test_an_unescaped_plus_in_an_offset_is_understood() -> None:
    assert parse_filters(b"from_date=2021-04-16T02:00+02:00").start == DAY


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        (b"limit=10&limit=20", "limit"),
        (b"from_date=04-16-2021&from_date=04-17-2021", "from_date"),
        (b"to_date=04-16-2021&to_date=04-17-2021", "to_date"),
        (b"order=asc&order=desc", "order"),
        (b"cursor=AY8AAAAAcACAAAAAAAAAAQ&cursor=AY8AAAAAcACAAAAAAAAAAg", "cursor"),
    ],
)
def test_two_different_values_where_one_is_meant_are_a_fault(query: bytes, parameter: str) -> None:
    fault = only_fault(query)
    assert fault.parameter == parameter
    assert "more than once" in fault.detail


def test_the_same_value_twice_is_no_fault() -> None:
    assert parse_filters(b"order=asc&order=ASC&limit=5&limit=05").limit == 5
    assert parse_filters(b"from_date=04-16-2021&from_date=2021-04-16").start == DAY


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("componnent", "component"),
        ("from", "from_date"),
        ("env", "environment"),
        ("LIMIT", "limit"),
    ],
)
def test_an_unknown_name_is_a_fault_that_names_the_nearest(name: str, nearest: str) -> None:
    fault = only_fault(f"{name}=1".encode())
    assert fault.parameter == name
    assert f"did you mean {nearest}?" in fault.detail
    assert "component, environment, email, message, from_date" in fault.detail
    assert "data.<path>" in fault.detail


def test_a_name_near_to_none_still_gets_the_list() -> None:
    fault = only_fault(b"zzz=1&zzz=2")
    assert "did you mean" not in fault.detail
    assert "Known are component" in fault.detail


def test_a_value_without_a_name_is_a_fault() -> None:
    assert "without a name" in only_fault(b"=x").detail


def test_every_fault_is_told_at_once() -> None:
    query = (
        b"componet=x&message=%00&email=%ff&from_date=02-30-2021&to_date=soon&limit=1001"
        b"&order=up&cursor=abc&data=5&data.a.=1"
    )
    assert [fault.parameter for fault in faults_of(query)] == [
        *("message", "email", "componet", "from_date", "to_date", "data", "data.a."),
        *("limit", "order", "cursor"),
    ]


@pytest.mark.parametrize("value", ["0", "1001", "-1", "1.5", "ten", "%D9%A1", "1_0", "9" * 999])
def test_a_limit_outside_its_bounds_is_a_fault(value: str) -> None:
    assert "from 1 to 1000" in only_fault(f"limit={value}".encode()).detail


@pytest.mark.parametrize("value", [1, 1000])
def test_a_limit_at_its_bounds_is_taken(value: int) -> None:
    assert parse_filters(f"limit={value}".encode()).limit == value


@pytest.mark.parametrize(
    "query",
    [
        b"from_date=04-17-2021&to_date=04-16-2021",
        b"from_date=2021-04-17T00:00Z&to_date=2021-04-16",
        b"from_date=2021-04-16T12:31&to_date=2021-04-16T12:30",
    ],
)
def test_a_from_date_after_the_to_date_is_a_fault(query: bytes) -> None:
    assert only_fault(query) == ErrorDetail("from_date is after to_date", parameter="from_date")


@pytest.mark.parametrize(
    "query",
    [
        b"from_date=04-16-2021&to_date=04-16-2021",
        b"from_date=2021-04-16T12:30&to_date=2021-04-16",
        b"from_date=2021-04-16T12:30&to_date=2021-04-16T12:30",
    ],
)
def test_a_window_within_one_day_or_instant_is_taken(query: bytes) -> None:
    assert parse_filters(query).start is not None


def test_a_wrong_date_beside_a_right_one_is_one_fault() -> None:
    query = b"from_date=2021-04-18&to_date=soon&to_date=04-16-2021"
    assert only_fault(query).parameter == "to_date"


@pytest.mark.parametrize("value", ["%00", "a%00b", "%ff", "%ED%A0%80", "%C3"])
@pytest.mark.parametrize("name", ["component", "message", "limit", "data.a", "nonsense"])
def test_a_value_that_is_no_text_is_a_fault(name: str, value: str) -> None:
    assert only_fault(f"{name}={value}".encode()).parameter == name


def test_a_name_that_is_no_text_is_a_fault() -> None:
    assert only_fault(b"data.%ff=1").parameter == "data.\\xff"
    assert "NUL" in only_fault(b"data.%00=1").detail


def test_everything_is_bounded() -> None:
    assert "16,384 bytes" in only_fault(b"message=" + b"x" * 16_384).detail
    assert "over 200" in only_fault(b"&".join([b"component=a"] * 201)).detail
    assert "over 50" in only_fault(b"&".join([b"component=a"] * 51)).detail
    assert "1,000 characters" in only_fault(b"message=" + b"x" * 1001).detail
    assert "1,000 characters" in only_fault(b"data." + b"x" * 996 + b"=1").detail


def test_what_is_at_the_bounds_is_taken() -> None:
    many = [
        f"{name}={i}" for name in ("component", "email", "message", "data.a") for i in range(50)
    ]
    assert len(parse_filters("&".join(many).encode()).message) == 50
    assert parse_filters(b"message=" + quote("é" * 1000).encode()).message == ("é" * 1000,)


@given(st.binary(max_size=200))
def test_any_bytes_give_filters_or_invalid_query(query_string: bytes) -> None:
    check(query_string)


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES) | st.text()), max_size=9))
def test_any_pairs_give_filters_or_invalid_query(pairs: list[tuple[str, str]]) -> None:
    check("&".join(f"{name}={value}" for name, value in pairs).encode(errors="surrogatepass"))


def check(query_string: bytes) -> None:
    faults = [ErrorDetail("none")]
    try:
        canonical(parse_filters(query_string))
    except InvalidQuery as invalid:
        faults = invalid.faults
    assert faults
    assert all(fault.detail for fault in faults)


@given(
    st.lists(st.tuples(st.sampled_from(["component", "message", "data.a"]), WORDS), max_size=8),
    st.randoms(use_true_random=False),
)
def test_order_and_repetition_of_pairs_do_not_matter(
    pairs: list[tuple[str, str]], random: Random
) -> None:
    try:
        expected = parse_filters(urlencode(pairs).encode())
    except InvalidQuery:
        return
    shuffled = [*pairs, *pairs]
    random.shuffle(shuffled)
    assert canonical(parse_filters(urlencode(shuffled).encode())) == canonical(expected)


@given(st.sampled_from(["component", "environment", "message"]), st.lists(WORDS, max_size=5))
def test_any_texts_come_back_as_they_were_sent(name: str, texts: list[str]) -> None:
    filters = parse_filters(urlencode([(name, text) for text in texts]).encode())
    wanted: dict[str, Any] = {name: tuple(texts)}
    assert filters == Filters(**wanted)
