"""A read of the feed looks at a bounded number of rows, whatever is asked and how much is left."""

from dataclasses import replace
from uuid import UUID

import pytest

from storage.events.feed_numbers import number_of
from storage.feed.position import FIRST, Key, Part
from storage.feed.queries import part_query
from storage.model.event import Event, created_ms, to_datetime
from storage.model.filters import Filters
from tests.support import query_plans
from tests.support.query_plans import DAY_MS, FIRST_MS, Planner, partition

plan = query_plans.plan
stored = query_plans.stored

ONE_ROW = "feed_identity"  # the table that tells where they end
WRITER = 99  # of what the fixture stores, in four batches
ALL = Part(number_of(WRITER, 0), number_of(WRITER, 4))
LAST_BATCH = Part(number_of(WRITER, 3), number_of(WRITER, 4))
QUESTIONS = [
    Filters(),
    Filters(component=("component 7",)),
    Filters(email=("user7@example.com",)),
    Filters(message=("went to 77777",)),
    Filters(data=(('{"n":7}',),)),
]


@pytest.mark.parametrize("filters", QUESTIONS)
@pytest.mark.parametrize("part", [ALL, LAST_BATCH])
def test_batches_are_walked_by_their_index_and_never_found_by_a_filter(
    plan: Planner, part: Part, filters: Filters
) -> None:
    found = plan(part_query(part, filters, 1_000, 101))
    assert found.uses("feed")
    assert not found.has("Sort")
    assert not found.has("Seq Scan")


def test_an_unfinished_batch_goes_on_by_the_index(plan: Planner, stored: list[Event]) -> None:
    event = stored[7_500]
    last = Key(number_of(WRITER, 2), to_datetime(created_ms(event)), UUID(event.id))
    found = plan(part_query(replace(ALL, last=last), Filters(), 1_000, 101))
    assert found.uses("feed")
    assert not found.has("Sort")


def test_events_without_a_number_are_walked_in_the_order_of_time_or_of_a_filters_index(
    plan: Planner,
) -> None:
    part = Part(-1, 0, FIRST)
    assert plan(part_query(part, Filters(message=("x",)), 1_000, 101)).uses("pkey", ONE_ROW)
    found = plan(part_query(part, Filters(component=("component 7",)), 1_000, 101))
    assert found.uses("component", ONE_ROW)


def test_a_bound_of_time_spares_the_older_partitions(plan: Planner) -> None:
    recent = replace(LAST_BATCH, since=to_datetime(FIRST_MS + 3 * DAY_MS))
    assert plan(part_query(recent, Filters(), 1_000, 101)).partitions == {
        partition(FIRST_MS + 3 * DAY_MS)
    }
