"""How PostgreSQL would run a query over some days of events."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.compiler import compiles

from storage.model.event import Event, to_datetime
from storage.postgres.engine import reading_engine
from testbed.servers import TestServers
from tests.support.reading import made, make_days, store

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
        make_days(settings, (to_datetime(FIRST_MS + day * DAY_MS) for day in range(DAYS)))
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


def partition(ms: int) -> str:
    """Return the name of a day's partition."""
    day = to_datetime(ms)
    return f"events_{day:%Y%m%d}_{day + timedelta(days=1):%Y%m%d}"
