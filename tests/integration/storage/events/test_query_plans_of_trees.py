"""A tree is found by its indexes where it can be, else walked in the order of the page."""

from decimal import Decimal
from uuid import UUID

import pytest

from storage.events.conditions import is_searched
from storage.events.queries import page_query
from storage.events.search import FIND
from storage.model.event import Event, created_ms
from storage.model.filters import Filters, Order
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
    Or,
    Where,
)
from tests.support import query_plans
from tests.support.query_plans import Planner, partition

plan = query_plans.plan
stored = query_plans.stored

SEVEN = DataIs(("n",), ('"7"', "7"))
RARE = Name("component", "component 7", is_prefix=True)


@pytest.mark.parametrize(
    ("where", "index"),
    [
        (RARE, "component"),
        (Or((RARE, Name("component", "component 8"))), "component"),
        (Name("environment", "environment 7", is_prefix=True), "environment"),
        (And((RARE, Not(Email("a@b.c")), Not(SEVEN))), "component"),
        (And((RARE, Exists(("kind",)), DataCompares(("n",), ">", Decimal(5)))), "component"),
        (SEVEN, "data"),
    ],
)
def test_a_rare_part_of_a_tree_is_found_by_its_index(
    plan: Planner, where: Where, index: str
) -> None:
    assert plan(page_query(Filters(where=where))).uses(index)


@pytest.mark.parametrize(
    ("where", "index"),
    [
        (Or((SEVEN, Contains("WENT to 77777"))), "data|message"),
        (Or((SEVEN, Email("user7@example.com"))), "data|lower"),
        (Or((And((SEVEN, Exists("email"))), Name("component", "component 7"))), "data|component"),
        (And((SEVEN, DataCompares(("n",), ">", Decimal(5)))), "data"),
        (And((SEVEN, Not(Contains("went")), Contains("went", anywhere=True))), "data"),
    ],
)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_where_walking_did_not_do_a_tree_is_found_by_its_indexes(
    plan: Planner, where: Where, index: str, order: Order
) -> None:
    filters = Filters(where=where, order=order)
    assert is_searched(filters)
    found = plan(page_query(filters), FIND)
    assert not found.has("Index Scan")
    assert found.uses(*index.split("|"))


@pytest.mark.parametrize(
    "where",
    [
        Not(Email("user7@example.com")),
        Not(Contains("went")),
        Not(SEVEN),
        Contains("went", anywhere=True),
        Exists(("n",)),
        DataCompares(("n",), ">", Decimal(5)),
        Or((SEVEN, Exists(("n",)))),
    ],
)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_what_no_index_finds_is_walked_in_the_order_of_the_page(
    plan: Planner, where: Where, order: Order
) -> None:
    filters = Filters(where=where, order=order)
    assert not is_searched(filters)
    found = plan(page_query(filters))
    assert found.uses("pkey")
    assert not found.has("Sort")


def test_an_id_in_a_tree_is_looked_up_by_the_key_of_its_partition(
    plan: Planner, stored: list[Event]
) -> None:
    where = And((Id(UUID(stored[0].id)), DataCompares(("n",), ">", Decimal(5))))
    found = plan(page_query(Filters(where=where)))
    assert found.uses("pkey")
    assert found.partitions == {partition(created_ms(stored[0]))}
