"""Each hot query runs as it was meant to: by its index, in as few partitions as it can."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.compiler import compiles

from storage.events.conditions import is_searched
from storage.events.queries import find_query, page_query, walk_query
from storage.events.search import FIND, parts
from storage.model.event import Event, created_ms, to_datetime
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
from storage.postgres.engine import reading_engine
from storage.postgres.tables import events
from testbed.servers import TestServers
from tests.support.reading import made, store

DAY_MS = 86_400_000
DAYS = 4
PER_DAY = 5_000
PADDING = "as long as messages are " * 15  # rows so short that reading all is quick prove nothing
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
FIRST_MS = int(FIRST.timestamp() * 1000)


class Explain(sa.Executable, sa.ClauseElement):
    """How PostgreSQL would run a query as the API sends it: through a cursor."""

    inherit_cache = False

    def __init__(self, query: sa.Select[Any]) -> None:
        self.query = query


@compiles(Explain)
def _explain(element: Explain, compiler: Any, **more: Any) -> str:
    query = compiler.process(element.query, **more)
    return f"EXPLAIN (FORMAT JSON) DECLARE page NO SCROLL CURSOR FOR {query}"


class Plan:
    """The nodes of a plan."""

    def __init__(self, top: dict[str, Any]) -> None:
        self.nodes = list(_nodes(top))

    @property
    def partitions(self) -> set[str]:
        """The partitions that are looked into."""
        return {node["Relation Name"] for node in self.nodes if "Relation Name" in node}

    @property
    def indexes(self) -> list[str]:
        """The partition's own names of the indexes, which name the columns."""
        return [node["Index Name"] for node in self.nodes if "Index Name" in node]

    def has(self, kind: str) -> bool:
        """Whether there is a node of that kind."""
        return any(node["Node Type"] == kind for node in self.nodes)

    def uses(self, *columns: str) -> bool:
        """Whether partitions are read by the indexes on these columns, and only by them."""
        used = self.indexes + self.read_whole
        return bool(used) and all(any(column in name for column in columns) for name in used)

    @property
    def read_whole(self) -> list[str]:
        """The partitions that are read from one end to the other."""
        return [n["Relation Name"] for n in self.nodes if n["Node Type"] == "Seq Scan"]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


Planner = Callable[..., Plan]


@pytest.fixture(scope="module")
def stored() -> list[Event]:
    """20,000 events over four days; of each column some common values and many rare ones."""
    spread = random.Random(7)
    return [
        made(
            FIRST_MS + day * DAY_MS + number * (DAY_MS // PER_DAY),
            component=f"component {spread.randrange(300)}" if number % 2 else "common",
            environment=f"environment {spread.randrange(300)}" if number % 2 else "production",
            message=f"order {spread.randrange(10**9)} went to {spread.randrange(10**6)} {PADDING}",
            email=f"User{spread.randrange(2000)}@example.com" if number % 3 else None,
            data=f'{{"n":{spread.randrange(2000)},"kind":"{PADDING}"}}' if number % 2 else "null",
        )
        for day in range(DAYS)
        for number in range(PER_DAY)
    ]


@pytest.fixture(scope="module")
def plan(servers: TestServers, stored: list[Event]) -> Iterator[Planner]:
    with servers.fresh() as settings:
        store(settings, stored)
        # As autovacuum does: statistics, and what waits to be sorted into the GIN indexes.
        servers.execute("VACUUM (ANALYZE) events", make_url(settings.database_url).database or "")
        engine = reading_engine(settings.database_url, 1)

        def explain(query: sa.Select[Any], before: str = "SELECT 1") -> Plan:
            with engine.connect() as connection:
                connection.execute(sa.text(before))
                return Plan(connection.execute(Explain(query)).scalar_one()[0]["Plan"])

        yield explain
        engine.dispose()


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


def partition(ms: int) -> str:
    """Return the name of a day's partition."""
    day = to_datetime(ms)
    return f"events_{day:%Y%m%d}_{day + timedelta(days=1):%Y%m%d}"


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
