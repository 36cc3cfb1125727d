"""The ids of imported events: fixed for ever, and the same for equal events."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model.event import Event, derived_id, derived_ids, id_text
from storage.model.imported_id import (
    bits_of_content,
    bits_of_import_id,
    canonical_content,
    content_of,
)

MS = 1_617_000_000_123


def content(data: str, **more: str) -> bytes:
    given_ = {"component": "c", "environment": "e", "message": "m", **more}
    return canonical_content(**given_, email=None, data=data.encode(), occurred_at=None)


def test_the_ids_are_those_of_every_release_before() -> None:
    """Never change these: events that were imported with them would be stored a second time."""
    ids = {
        "import_id": id_text(derived_id(MS, bits_of_import_id("order-17 ü"))),
        "content": id_text(derived_id(MS, bits_of_content(content('{"b":[1.50,1e2],"a":"ü"}')))),
        "nothing": id_text(derived_id(MS, bits_of_content(content("null")))),
    }
    assert ids == {
        "import_id": "01787cb5-ea7b-71bc-b0ce-e9f40b76fb49",
        "content": "01787cb5-ea7b-7953-bff8-3e9fd2843f75",
        "nothing": "01787cb5-ea7b-705a-8c28-05749e79bf14",
    }


def test_notation_and_order_do_not_count() -> None:
    same = ['{"a":[1.50,100,0],"b":1e-7}', '{ "b": 0.0000001, "a": [1.5, 1e2, -0.0] }']
    assert len({content(data) for data in same}) == 1
    long = "123456789012345678901234567890123456789.5"
    assert content(f"[{long}]") == content(f"[{long}00]") != content(f"[{long}1]")


def test_what_differs_differs() -> None:
    found = [content(data) for data in ('"1.5"', "1.5", "15", "null", '"null"', "[]", "{}")]
    found += [content("null", message="other"), content("null", component="m", message="c")]
    assert len(set(found)) == len(found)
    assert bits_of_import_id("x") != bits_of_content(b"x")


@given(st.lists(st.tuples(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))))
def test_many_ids_are_those_of_each(made: list[tuple[int, bytes]]) -> None:
    times, bits = [ms for ms, _ in made], [one for _, one in made]
    assert derived_ids(times, bits) == [derived_id(*one) for one in made]


@pytest.mark.parametrize("data", ["1e131071", "-1.5e131071", "9" * 5000, "[" * 5000 + "]" * 5000])
def test_what_another_program_has_stored_is_like_no_posted_event(data: str) -> None:
    stored = Event(
        id="01234567-89ab-7cde-8f01-23456789abcd",
        created_at="2021-01-03T00:00:00.000Z",
        component="c",
        environment="e",
        message="m",
        email=None,
        data=msgspec.Raw(data.encode()),
    )
    assert content_of(stored) == content_of(stored)
    assert content_of(stored) != canonical_content("c", "e", "m", None, b"1", None)
