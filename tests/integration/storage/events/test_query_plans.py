"""Each hot query runs as it was meant to: by its index, in as few partitions as it can."""

from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import pytest

from storage.events.queries import find_query, page_query, walk_query
from storage.events.search import FIND, parts
from storage.model.event import Event, created_ms, to_datetime
from storage.model.filters import Filters, Order
from storage.postgres.tables import events
from tests.support import query_plans
from tests.support.query_plans import DAY_MS, DAYS, FIRST, FIRST_MS, PER_DAY, Planner, partition

plan = query_plans.plan
stored = query_plans.stored


def test_the_newest_page_without_filters_is_read_off_the_key_and_not_sorted(plan: Planner) -> None:
    for order in ("asc", "desc"):
        found = plan(page_query(Filters(order=order)))
        assert found.uses("pkey")
        assert not found.has("Sort")


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_common_value_is_read_no_further_than_the_page(plan: Planner, order: Order) -> None:
    found = plan(page_query(Filters(component=("common",), order=order)))
    assert not found.read_whole
    assert not found.has("Sort")


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"component": ("component 7",)}, "component"),
        ({"environment": ("environment 7",)}, "environment"),
        ({"within_component": ("component 7*",)}, "component"),
        ({"within_component": ("component 7*", "component 8")}, "component"),
        ({"within_environment": ("environment 7*",)}, "environment"),
        ({"email": ("user7@example.com",)}, "lower"),
        ({"component": ("component 7", "component 8")}, "component"),
        ({"environment": ("environment 7", "environment 8")}, "environment"),
        ({"email": ("user7@example.com", "user8@example.com")}, "lower"),
        ({"message": ("WENT to 77777",)}, "message"),
        ({"message": ("r 123456", "r 654321")}, "message"),
        ({"data": (('{"n":7}',),)}, "data"),
        ({"data": (('{"n":7}', '{"n":8}'),)}, "data"),
    ],
)
def test_rare_values_are_found_by_their_index(
    plan: Planner, filters: dict[str, Any], index: str
) -> None:
    assert plan(page_query(Filters(**filters))).uses(index)


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"message": ("WENT to 77777",)}, "message"),
        ({"data": (('{"n":7}',),)}, "data"),
        ({"data": (('{"n":7}', '{"n":8}'),)}, "data"),
        ({"component": ("component 7",), "message": ("WENT to 77777",)}, "component|message"),
        ({"component": ("common",), "message": ("WENT to 77777",)}, "message"),
        ({"component": ("common",), "data": (('{"n":7}',),)}, "data"),
        ({"within_component": ("comm*",), "message": ("WENT to 77777",)}, "message"),
    ],
)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_where_walking_did_not_do_what_matches_is_found_by_index_and_sorted(
    plan: Planner, filters: dict[str, Any], index: str, order: Order
) -> None:
    found = plan(page_query(Filters(order=order, **filters)), FIND)
    assert found.has("Sort")
    assert not found.has("Index Scan")
    assert found.uses(*index.split("|"))


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "pkey"),
        ({"component": ("common",)}, "component"),
        ({"environment": ("production",)}, "environment"),
        ({"email": ("user7@example.com",)}, "lower"),
    ],
)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_walk_reads_in_the_order_of_the_page_and_knows_where_it_ends(
    plan: Planner, filters: dict[str, Any], index: str, order: Order
) -> None:
    asked = Filters(message=("went",), data=(('{"n":7}',),), order=order, **filters)
    found = plan(walk_query(asked, 5))
    assert found.uses(index, "pkey")
    assert not found.has("Sort")
    assert not found.has("Bitmap Heap Scan")
    assert [node["Node Type"] for node in found.nodes].count("Limit") == 2


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_near_part_of_time_leaves_out_the_other_partitions(
    plan: Planner, stored: list[Event], order: Literal["asc", "desc"]
) -> None:
    some = stored[:20] if order == "asc" else stored[-20:]
    earliest, latest = (to_datetime(created_ms(one)) for one in (some[0], some[-1]))
    near, rest = parts(Filters(message=("went",), order=order), earliest, latest)
    days = [partition(FIRST_MS + day * DAY_MS) for day in range(DAYS)]
    if order == "desc":
        days.reverse()
    assert plan(page_query(near), FIND).partitions == set(days[:1])
    assert plan(page_query(rest), FIND).partitions == set(days)


def test_one_event_is_looked_up_by_the_key_of_its_partition(
    plan: Planner, stored: list[Event]
) -> None:
    for event in (stored[0], stored[-1]):
        found = plan(find_query(events, [UUID(event.id)], [events.c.data]))
        assert found.uses("pkey")
        assert found.partitions == {partition(created_ms(event))}


def test_a_whole_page_is_planned_for_and_not_only_its_first_rows(plan: Planner) -> None:
    """Through a cursor, PostgreSQL would expect that a tenth of the page is fetched."""
    some = tuple(f"component {number}" for number in range(8))
    assert plan(page_query(Filters(component=some, limit=1000))).uses("component")


@pytest.mark.parametrize("filters", [{}, {"component": ("common",)}, {"message": ("went",)}])
def test_a_cursor_leaves_out_the_partitions_that_were_walked_already(
    plan: Planner, stored: list[Event], filters: dict[str, Any]
) -> None:
    middle = stored[2 * PER_DAY + PER_DAY // 2]
    days = [partition(FIRST_MS + day * DAY_MS) for day in range(DAYS)]
    backwards = plan(page_query(Filters(cursor=UUID(middle.id), **filters)))
    assert backwards.partitions == set(days[:3])
    onwards = plan(page_query(Filters(cursor=UUID(middle.id), order="asc", **filters)))
    assert onwards.partitions == set(days[2:])


def test_dates_leave_out_all_other_partitions(plan: Planner) -> None:
    start = FIRST + timedelta(days=1)
    found = plan(page_query(Filters(start=start, end=start + timedelta(days=1))))
    assert found.partitions == {partition(FIRST_MS + DAY_MS)}


def test_a_page_further_back_starts_at_its_cursor_and_does_not_skip_up_to_it(
    plan: Planner, stored: list[Event]
) -> None:
    found = plan(page_query(Filters(cursor=UUID(stored[100].id))))
    [node] = [node for node in found.nodes if "Index Cond" in node]
    assert "ROW(created_at, id) <" in node["Index Cond"]


@pytest.mark.parametrize(
    ("same", "index"),
    [
        ({}, "pkey"),
        ({"component": ("component 7",)}, "component"),
        ({"environment": ("environment 7",)}, "environment"),
        ({"email": ("user7@example.com",)}, "lower"),
    ],
)
def test_each_side_of_an_event_is_read_by_index_in_its_own_part_of_time(
    plan: Planner, stored: list[Event], same: dict[str, Any], index: str
) -> None:
    event = UUID(stored[PER_DAY + PER_DAY // 2].id)  # on the second of four days
    orders: list[tuple[Order, int]] = [("desc", 2), ("asc", 3)]
    for order, partitions in orders:
        found = plan(page_query(Filters(**same, order=order, limit=20, cursor=event)))
        assert found.uses(index)
        assert len(found.partitions) <= partitions
        if not same:
            assert not found.has("Sort")
