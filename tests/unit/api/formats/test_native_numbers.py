"""Numbers keep their digits; those that not every reader can read are refused."""

import pytest

from api.formats.native_fast import parse
from api.formats.native_validate import validate
from storage.model.json_rules import MAX_DIGITS as DIGITS
from tests.support.native_events import LIMIT, pointers, refusal, with_data

TAKEN = [
    "0",
    "-0",
    "-0.0",
    "1.10",
    "1E5",
    "1e+5",
    "1e-005",
    "1e308",
    "1.7976931348623157e308",
    "-1.7976931348623157E+308",
    "17976931348623157e292",
    "0.00001e312",
    "5e-324",
    "2.2250738585072014e-308",
    "1e-400",
    f"1e-{DIGITS}",
    "0e999",
    f"0e-{DIGITS}",
    "1e0000000000000001",
    "123456789012345678901234567890.123456789",
    "9" * DIGITS,
    "-" + "9" * DIGITS,
    "0." + "9" * (DIGITS - 1),
]


@pytest.mark.parametrize("number", TAKEN, ids=lambda text: text[:24])
def test_a_number_that_every_reader_can_read_keeps_its_digits(number: str) -> None:
    for data in (number, f"[{number}]", f'{{"a":\n{number}}}'):
        assert bytes(validate(with_data(data.encode()), LIMIT).data) == data.encode()


REFUSED = [
    "1e309",
    "-1e309",
    "1e400",
    "-1E+400",
    "1.8e308",
    "1e99999999999",
    "1e-99999999999",
    "1e" + "9" * 5000,
    f"1e-{DIGITS + 1}",
    f"0e{DIGITS + 1}",
    "0e999999",
    "0e-16384",
    "0.0e131072",
    "1" * 400 + "e1",
    "NaN",
    "Infinity",
    "-Infinity",
    "9" * (DIGITS + 1),
    "-0." + "9" * DIGITS,
]
PLACES = [
    "{}",
    "[{}]",
    "[0,{}]",
    "[0, {}]",
    "[\n{}]",
    "[\t{}\r]",
    "[\r{}]",
    '{{"a":{}}}',
    '{{"a": {}}}',
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", REFUSED, ids=lambda text: text[:24])
def test_a_number_that_overflows_is_refused_wherever_it_stands(number: str, place: str) -> None:
    [pointer] = pointers(with_data(place.format(number).encode()))
    inside = {"{}": "", "[0,{}]": "/1", "[0, {}]": "/1"}
    assert pointer == "/data" + inside.get(place, "/a" if '"a"' in place else "/0")


def test_a_number_in_a_value_that_a_repeated_name_hides_is_refused_too() -> None:
    # PostgreSQL reads every value before it keeps the last.
    assert pointers(with_data(b'{"a":1e999999,"a":1}')) == ["/data/a"]
    assert pointers(with_data(b'{"a":"\\u0000","a":1}')) == ["/data/a"]


def test_a_repeated_field_counts_as_its_last_value_and_must_be_right_each_time() -> None:
    twice = b'{"component":"old","component":"new","environment":"b","message":"c"}'
    event = parse(twice)
    assert event is not None
    assert event.component == validate(twice, LIMIT).component == "new"
    assert pointers(twice.replace(b'"old"', b"1")) == ["/component"]


def test_numbers_that_would_fill_the_disk_once_written_out_are_refused() -> None:
    many = b"[" + b",".join([b"1e-4300"] * 61) + b"]"
    refused = refusal(with_data(many))
    assert [fault.pointer for fault in refused.faults] == ["/data"]
    assert "written out" in refused.faults[0].detail
    few = with_data(b"[" + b",".join([b"1e-4300"] * 60) + b"]")
    assert validate(few, LIMIT).component == "a"
    refusal(few, limit=len(few) + 60 * DIGITS - 1)


def test_a_number_with_an_exponent_never_takes_the_fast_way() -> None:
    for number in (b"1e1", b"-1E1", b"0.5e-3", b"0e0", b"12.25E+3", b"\t 7e7", b"[\n-9e9]"):
        for place in PLACES:
            assert parse(with_data(place.encode().replace(b"{}", number))) is None
