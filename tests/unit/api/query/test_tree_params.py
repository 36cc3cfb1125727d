"""Prefixes of names, and exclusions: what becomes part of a question's tree."""

from urllib.parse import quote

import pytest

from api.query.params import parse_filters
from api.query.tree_params import name_of
from storage.cache import tags
from storage.model.filters import Filters, digest
from storage.model.where import And, Contains, Email, Name, Not, Or


@pytest.mark.parametrize(
    ("text", "name", "is_prefix"),
    [
        ("payment", "payment", False),
        ("payment-*", "payment-", True),
        (r"payment-\*", "payment-*", False),
        (r"a\*b*", "a*b", True),
        (r"a\\*", r"a\*", False),
        ("a*b", "a*b", False),
        ("a**", "a*", True),
        (r"a\b", r"a\b", False),
        ("100%_*", "100%_", True),
    ],
)
def test_a_star_at_the_end_is_a_prefix_and_an_escaped_one_a_star(
    text: str, name: str, is_prefix: bool
) -> None:
    assert name_of("component", text) == Name("component", name, is_prefix)


def test_exact_names_stay_the_question_that_they_were() -> None:
    assert parse_filters(b"component=b&component=a") == Filters(component=("a", "b"))
    assert parse_filters(rb"component=a\*") == Filters(component=("a*",))
    assert parse_filters(b"-environment=a") == Filters(not_environment=("a",))


def test_prefixes_are_repeated_and_mixed_with_names() -> None:
    filters = parse_filters(b"component=pay*&component=auth&environment=prod*&-component=pay-old*")
    assert filters == Filters(
        where=And(
            (
                Or((Name("component", "pay", True), Name("component", "auth"))),
                Name("environment", "prod", True),
                Not(Name("component", "pay-old", True)),
            )
        )
    )
    assert filters.component == ()
    assert tags.of_page(filters) == ["all"], "no tag of a name proves the page of a prefix"


def test_a_star_alone_asks_for_every_name() -> None:
    assert parse_filters(b"component=*") == Filters()
    assert digest(parse_filters(b"component=*&component=a")) == digest(Filters())


def test_exclusions_of_one_name_exclude_each_of_its_values() -> None:
    query = b"-email=JO@a.b&-email=x&-message=a%25&-message=b"
    excluded = (Email("jo@a.b"), Email("x"), Contains("a%"), Contains("b"))
    assert parse_filters(query) == Filters(where=And(tuple(Not(one) for one in excluded)))
    assert parse_filters(query) == Filters(where=Not(Or(excluded)))


def test_blank_exclusions_are_ignored() -> None:
    assert parse_filters(b"-email=&-message=+&-component=&-environment=%20") == Filters()


@pytest.mark.parametrize("name", ["-email", "-message", "component", "environment", "-component"])
def test_what_a_name_may_hold_is_bounded(name: str) -> None:
    with pytest.raises(ValueError, match="longer than 1,000"):
        parse_filters(f"{name}={'x' * 1001}".encode())
    with pytest.raises(ValueError, match="51 times"):
        parse_filters("&".join(f"{name}={n}*" for n in range(51)).encode())


def test_another_exclusion_than_these_is_unknown() -> None:
    for name in ("-from_date", "-limit", "-data", "-id", "-cursor"):
        with pytest.raises(ValueError, match="is not a parameter"):
            parse_filters(f"{quote(name)}=1".encode())
