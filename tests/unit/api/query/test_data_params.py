"""The filters on `data`: a value at a path, and an object that `data` contains."""

from contextlib import suppress
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.query.pairs import InvalidQuery
from api.query.params import parse_filters
from storage.model.filters import Filters
from storage.model.where import DataIs, Not
from tests.support.query_faults import only_fault


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
        ("-data.order>100", "-data.order=100"),
        ("-data.*.id=7", 'q=-data."*"."id":"7"'),
        ("-data.nosuch=", 'q=-data."nosuch":""'),
        ("-data.=", 'q=-data."":...'),
        ("-data." + "x" * 900 + "=", 'q=-data."key":"value"'),
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
        with suppress(InvalidQuery):
            assert parse_filters(f"-{query}".encode()).where


@pytest.mark.parametrize(
    ("value", "readings"),
    [
        ("5", ('"5"', "5")),
        ("1.50", ('"1.50"', "1.50")),
        ("true", ('"true"', "true")),
        ("null", ('"null"', "null")),
        ('"5"', ('"5"', '"\\"5\\""')),
        ("[1, 2]", ('"[1, 2]"', "[1,2]")),
        ("eu-west", ('"eu-west"',)),
        ("007", ('"007"',)),
        ("NaN", ('"NaN"',)),
        ("12345e678901", ('"12345e678901"',)),
    ],
)
def test_a_value_at_a_path_is_text_and_json_if_it_is_both(
    value: str, readings: tuple[str, ...]
) -> None:
    query = "data.a.b=" + quote_plus(value)
    assert parse_filters(query.encode()).data == (at_b(*readings),)
    excluded = Filters(where=Not(DataIs(("a", "b"), readings)))
    assert parse_filters(f"-{query}".encode()) == excluded


def at_b(*readings: str) -> tuple[str, ...]:
    """Return the objects with one of the values at `a.b`, or in an array there."""
    forms = [f'{{"a":{{"b":{form}}}}}' for each in readings for form in (each, f"[{each}]")]
    return tuple(sorted(forms))


def test_every_digit_of_a_number_is_kept() -> None:
    digits = "12345678901234567890.123456789012345678900"
    assert f'{{"a":{digits}}}' in parse_filters(f"data.a={digits}".encode()).data[0]


def test_different_paths_must_all_match_and_a_repeated_one_any() -> None:
    query = b"data.a=x&data.b=z&data.a=y&data=%7B%22c%22:1%7D&data=%7B%22d%22:2%7D"
    assert parse_filters(query).data == (
        ('{"a":"x"}', '{"a":"y"}', '{"a":["x"]}', '{"a":["y"]}'),
        ('{"b":"z"}', '{"b":["z"]}'),
        ('{"c":1}', '{"d":2}'),
    )


def test_keys_of_a_path_are_kept_as_they_are() -> None:
    query = "data." + quote('é "q"\\') + ".B=x"
    assert parse_filters(query.encode()).data == (
        ('{"é \\"q\\"\\\\":{"B":"x"}}', '{"é \\"q\\"\\\\":{"B":["x"]}}'),
    )


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
