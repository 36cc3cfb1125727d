"""What a tree says beside the fields moves into them, and means the same there."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model.filters import Filters, canonical, digest
from storage.model.normal_form import EVERYTHING, NOTHING, normal_form, plain
from storage.model.where import (
    And,
    Contains,
    DataCompares,
    DataIs,
    Email,
    Exists,
    Id,
    Name,
    Not,
    OccurredCompares,
    Or,
    Where,
)
from tests.support.matching import matches
from tests.support.reading import made
from tests.support.trees import trees
from tests.support.where_rules import says

A, B, C = (Name("component", text) for text in "abc")
TEXT = st.sampled_from(["a", "b", "A", "ab"])
EVENTS = st.builds(
    made,
    ms=st.just(1),
    component=TEXT,
    environment=TEXT,
    message=TEXT,
    email=st.none() | TEXT,
    data=st.sampled_from(
        ["null", '{"n":1}', '{"n":["1",2]}', '{"n":{"m":1e3}}', '{"n":{"m":[1]}}']
    ),
)


@pytest.mark.parametrize(
    ("where", "fields"),
    [
        (A, {"component": ("a",)}),
        (Or((B, A, B)), {"component": ("a", "b")}),
        (And((Or((A, B)), Or((C, B)))), {"component": ("b",)}),
        (Name("environment", "x"), {"environment": ("x",)}),
        (Not(A), {"not_component": ("a",)}),
        (Not(Or((A, B))), {"not_component": ("a", "b")}),
        (Not(Not(A)), {"component": ("a",)}),
        (And((Not(A), Not(Name("environment", "x")))), {
            "not_component": ("a",),
            "not_environment": ("x",),
        }),
        (Email("JO@a.B"), {"email": ("jo@a.b",)}),
        (Or((Email("b"), Email("A"))), {"email": ("a", "b")}),
        (Or((Contains("x"), Contains("Y"))), {"message": ("Y", "x")}),
        (DataIs(("n",), ("1",)), {"data": (('{"n":1}', '{"n":[1]}'),)}),
        (
            And((DataIs(("n", "é"), ("2",)), DataIs(("m",), ("3",)))),
            {"data": (('{"m":3}', '{"m":[3]}'), ('{"n":{"é":2}}', '{"n":{"é":[2]}}'))},
        ),
        (EVERYTHING, {}),
    ],
)  # fmt: skip
def test_what_a_field_can_say_is_the_same_question_as_the_field(
    where: Where, fields: dict[str, Any]
) -> None:
    assert Filters(where=where) == Filters(**fields)
    assert digest(Filters(where=where)) == digest(Filters(**fields))


@pytest.mark.parametrize(
    "where",
    [
        Name("component", "a", is_prefix=True),
        Or((A, Name("component", "b", is_prefix=True))),
        Or((A, Name("environment", "b"))),
        Or((Not(A), Not(B))),
        Not(Email("a")),
        Not(Contains("a")),
        Contains("a", anywhere=True),
        Not(DataIs(("n",), ("1",))),
        Or((DataIs(("n",), ("1",)), A)),
        NOTHING,
    ],
)
def test_what_no_field_can_say_stays_in_the_tree(where: Where) -> None:
    assert Filters(where=where) == replace(Filters(), where=where)
    assert Filters(where=where).where == normal_form(where)


def test_names_that_exclude_each_other_find_nothing_and_keep_a_field() -> None:
    both = Filters(component=("a",), where=B)
    assert both.component == ("a",)
    assert both.where == B
    assert not any(matches(made(1, component=name), both) for name in "ab")


def test_a_message_of_the_tree_and_one_of_the_parameter_are_one_question() -> None:
    one = Filters(message=("a",), where=Contains("longer"))
    assert one == Filters(message=("longer",), where=Contains("a"))
    assert one == Filters(where=And((Contains("a"), Contains("longer"))))
    assert one.message == ("longer",), "the one that fewer messages contain"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (And((A, Email("x"))), And((Email("X"), A, A))),
        (Not(And((A, B))), Or((Not(B), Not(A)))),
        (Or((A, Or((B, And((C,)))))), Or((C, B, A))),
        (And((A, And(()))), A),
        (Or((A, Not(EVERYTHING))), A),
        (And((A, NOTHING)), NOTHING),
        (Or((A, EVERYTHING)), EVERYTHING),
        (DataCompares(("n",), ">", Decimal("5.00")), DataCompares(("n",), ">", Decimal("5"))),
        (DataCompares(("n",), ">", Decimal("-0.0")), DataCompares(("n",), ">", Decimal(0))),
    ],
)  # fmt: skip
def test_equal_questions_have_one_normal_form(one: Where, other: Where) -> None:
    assert Filters(where=one) == Filters(where=other)
    assert canonical(Filters(where=one)) == canonical(Filters(where=other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Exists("email"), Exists(("email",))),
        (DataCompares(("n",), ">", Decimal(5)), DataCompares(("n",), ">", "5")),
        (DataCompares(("n",), ">", Decimal("9" * 40)), DataCompares(("n",), ">", Decimal("1e40"))),
        (Contains("a"), Contains("a", anywhere=True)),
        (Not(And((A, Id(UUID(int=1))))), Not(Or((A, Id(UUID(int=1)))))),
        (Exists(("a", "b")), Exists(("a.b",))),
    ],
)  # fmt: skip
def test_different_questions_have_different_digests(one: Where, other: Where) -> None:
    assert digest(Filters(where=one)) != digest(Filters(where=other))


def test_an_instant_of_the_tree_is_the_same_in_each_zone_and_needs_one() -> None:
    at = datetime(2026, 4, 16, tzinfo=UTC)
    assert plain(OccurredCompares(">", at)) == ["OccurredCompares", ">", 1776297600000000]
    with pytest.raises(ValueError, match="time zone"):
        Filters(where=OccurredCompares(">", at.replace(tzinfo=None)))


@given(trees(TEXT), st.lists(TEXT, max_size=2), st.lists(TEXT, max_size=2), EVENTS)
def test_a_folded_question_matches_what_its_parts_matched(
    where: Where, components: list[str], messages: list[str], event: Any
) -> None:
    fields = Filters(component=tuple(components), message=tuple(messages))
    found = replace(fields, where=where)
    assert matches(event, found) == (matches(event, fields) and says(where, event))


@given(trees(TEXT), st.lists(TEXT, max_size=2))
def test_to_fold_again_changes_nothing(where: Where, components: list[str]) -> None:
    once = Filters(component=tuple(components), where=where)
    assert replace(once) == once
    assert canonical(replace(once)) == canonical(once)
