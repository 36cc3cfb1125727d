"""The query string: everything it may ask for, and every fault in it at once."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import quote, quote_plus, urlencode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.error_detail import ErrorDetail
from api.query import cursors
from api.query.pairs import InvalidQuery
from api.query.params import parse_filters
from storage.model.filters import Filters, canonical

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


def faults_of(query_string: bytes) -> list[ErrorDetail]:
    with pytest.raises(InvalidQuery) as caught:
        parse_filters(query_string)
    assert caught.value.faults
    return caught.value.faults


def only_fault(query_string: bytes) -> ErrorDetail:
    (fault,) = faults_of(query_string)
    return fault


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


@pytest.mark.parametrize(
    ("query", "right"),
    [
        ("data.order>100", "data.order=100"),
        ("data.order>=100", "data.order=100"),
        ("data.order<100", "data.order=100"),
        ("data.order%3E100", "data.order=100"),
        ("data.order>", "data.order=5"),
        ("data.order+>+100", "data.order=100"),
        ("data.order!=100", "data.order=100"),
        ("data.order~=1.*", "data.order=1.*"),
        ("data.tags[0]=red", 'data={"tags[0]":"red"}'),
        ("data.*.id=7", "data.id=7"),
        (">data.order=100", "data.<path>"),
        ("data.>=", "data.name=5"),
        ("data.order+=+100", 'data={"order ":" 100"}'),
        ("data.order+is+null", "data.order is null=5"),
        ("data.nosuch=", "data.nosuch=5"),
        ("data.nosuch", 'data={"nosuch":""}'),
        ("data.nosuch=+", 'data={"nosuch":" "}'),
        ("data.nosuch=5&data.nosuch=", "data.nosuch=5"),
        ("data.=", 'data={"":...}'),
        ("data..a=", 'data={"":...}'),
        ("data." + "x" * 900 + "=", 'data={"key":"value"}'),
        ("data." + "x" * 900 + ">5", 'data={"key":"value"}'),
    ],
)
def test_a_data_path_without_a_value_or_with_an_operator_is_a_fault_that_says_what_is_right(
    query: str, right: str
) -> None:
    fault = only_fault(query.encode())
    assert right in fault.detail
    assert len(fault.detail) < 400


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0&=%+"), max_size=12))
def test_no_parameter_that_begins_as_a_data_path_asks_for_everything(path: str) -> None:
    for query in (f"data.{path}", f"data.{path}=", f"data.{path}=7"):
        with suppress(InvalidQuery):
            assert parse_filters(query.encode()).data


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


@pytest.mark.parametrize(
    ("value", "alternatives"),
    [
        ("5", ('{"a":{"b":"5"}}', '{"a":{"b":5}}')),
        ("1.50", ('{"a":{"b":"1.50"}}', '{"a":{"b":1.50}}')),
        ("true", ('{"a":{"b":"true"}}', '{"a":{"b":true}}')),
        ("null", ('{"a":{"b":"null"}}', '{"a":{"b":null}}')),
        ('"5"', ('{"a":{"b":"5"}}', '{"a":{"b":"\\"5\\""}}')),
        ("[1, 2]", ('{"a":{"b":"[1, 2]"}}', '{"a":{"b":[1,2]}}')),
        ("eu-west", ('{"a":{"b":"eu-west"}}',)),
        ("007", ('{"a":{"b":"007"}}',)),
        ("NaN", ('{"a":{"b":"NaN"}}',)),
        ("12345e678901", ('{"a":{"b":"12345e678901"}}',)),
    ],
)
def test_a_value_at_a_path_is_text_and_json_if_it_is_both(
    value: str, alternatives: tuple[str, ...]
) -> None:
    query = "data.a.b=" + quote_plus(value)
    assert parse_filters(query.encode()).data == (tuple(sorted(alternatives)),)


def test_every_digit_of_a_number_is_kept() -> None:
    digits = "12345678901234567890.123456789012345678900"
    assert f'{{"a":{digits}}}' in parse_filters(f"data.a={digits}".encode()).data[0]


def test_different_paths_must_all_match_and_a_repeated_one_any() -> None:
    query = b"data.a=x&data.b=z&data.a=y&data=%7B%22c%22:1%7D&data=%7B%22d%22:2%7D"
    assert parse_filters(query).data == (
        ('{"a":"x"}', '{"a":"y"}'),
        ('{"b":"z"}',),
        ('{"c":1}', '{"d":2}'),
    )


def test_keys_of_a_path_are_kept_as_they_are() -> None:
    query = "data." + quote('é "q"\\') + ".B=x"
    assert parse_filters(query.encode()).data == (('{"é \\"q\\"\\\\":{"B":"x"}}',),)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("5", "JSON object"),
        ("[]", "JSON object"),
        ('"{}"', "JSON object"),
        ("{", "not JSON"),
        ("{'a':1}", "not JSON"),
        ('{"a":NaN}', "NaN"),
        ('{"a":-Infinity}', "Infinity"),
        ('{"a":1e999999}', "PostgreSQL"),
        ('{"a":"\\u0000"}', "NUL"),
        ('{"\\udc00":1}', "lone surrogate"),
        ('{"a":' * 65 + "1" + "}" * 65, "deeper than 64"),
        ("[" * 1000, "deeper than 64"),
    ],
)
def test_data_that_is_no_storable_object_is_a_fault(value: str, why: str) -> None:
    fault = only_fault(("data=" + quote_plus(value)).encode())
    assert fault.parameter == "data"
    assert why in fault.detail


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ('data.a="\\u0000"', "NUL"),
        ('data.a="\\ud800"', "lone surrogate"),
        ("data.a=" + "[" * 64 + "]" * 64, "deeper than 64"),
        ("data" + ".a" * 65 + "=x", "deeper than 64"),
        ("data.=x", "empty key"),
        ("data.a..b=x&data.a..b=y", "empty key"),
    ],
)
def test_a_path_or_its_value_that_no_event_can_have_is_a_fault(query: str, why: str) -> None:
    assert why in only_fault(query.encode()).detail


def test_a_path_of_64_keys_is_taken() -> None:
    assert parse_filters(b"data" + b".a" * 64 + b"=x").data


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
