"""How many rows each partition has, whether or not PostgreSQL has statistics of it yet."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from storage.errors import RetentionStopped
from storage.model.event import to_ms
from storage.postgres.engine import plain_engine, transaction
from storage.postgres.partitions import name_of
from storage.retention import partition_sizes
from storage.retention.plan import Plan, Policy, make_plan
from storage.settings import StorageSettings
from tests.support.reading import made, make_days, store
from tests.support.retention import DAY, History, history, today

FORGET_STATISTICS = "SELECT pg_stat_reset()"  # as after a crash, or as of an import just now


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    engine = plain_engine(settings.database_url)
    make_days(settings, [today()])
    yield engine
    engine.dispose()


def fill(settings: StorageSettings, rows: int, day: int = 0, message: str = "imported") -> None:
    start = to_ms(today() - day * DAY)
    store(settings, [made(start + n, message=message) for n in range(rows)])


def run(engine: sa.Engine, statement: str) -> None:
    with transaction(engine) as connection:
        connection.exec_driver_sql(statement)


def rows(engine: sa.Engine) -> int:
    with transaction(engine) as connection:
        (partition,) = partition_sizes.attached(connection)
    return partition.rows


def test_an_empty_partition_has_no_rows(engine: sa.Engine) -> None:
    assert rows(engine) == 0
    run(engine, "ANALYZE events")
    assert rows(engine) == 0


def test_rows_that_no_statistics_know_yet_are_counted(
    engine: sa.Engine, settings: StorageSettings
) -> None:
    fill(settings, 7)
    run(engine, FORGET_STATISTICS)
    assert rows(engine) == 7


def test_rows_that_came_since_the_statistics_are_counted(
    engine: sa.Engine, settings: StorageSettings
) -> None:
    run(engine, "ANALYZE events")
    fill(settings, 3)
    assert rows(engine) == 3
    run(engine, "ANALYZE events")
    fill(settings, 300)
    run(engine, FORGET_STATISTICS)
    assert rows(engine) == 303


def test_the_rows_of_a_large_partition_follow_from_those_of_some_pages(
    engine: sa.Engine, settings: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition_sizes, "_COUNTED_PAGES", 20)
    fill(settings, 700, message="m" * 1_000)  # some 100 pages
    run(engine, FORGET_STATISTICS)
    read = []
    sa.event.listen(engine, "before_cursor_execute", lambda *call: read.append(call[2]))
    assert rows(engine) == pytest.approx(700, rel=0.5)
    (sample,) = [statement for statement in read if "TABLESAMPLE" in statement]
    assert 10 < float(sample.split("SYSTEM (")[1].split(")")[0]) < 30


def test_a_partition_that_is_dropped_meanwhile_is_none(
    engine: sa.Engine, settings: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(settings, 2)
    run(engine, FORGET_STATISTICS)
    monkeypatch.setattr(partition_sizes, "_ATTACHED", _renamed(partition_sizes._ATTACHED))
    with transaction(engine) as connection:
        assert partition_sizes.attached(connection) == []
        assert partition_sizes.database_bytes(connection) > 0


def _renamed(query: sa.TextClause) -> sa.TextClause:
    """Return the query with the name of a table that was there when it began."""
    return sa.text(query.text.replace("c.oid::regclass::text AS name", "'events_gone' AS name"))


def test_the_brake_knows_what_was_imported_just_now(settings: StorageSettings) -> None:
    """Statistics of before the import would say that the partition has hardly any rows."""
    with history(settings) as world:
        fill(settings, 500, day=1)
        world.execute("ANALYZE events")
        fill(settings, 300, day=len(world.days) - 1)
        world.execute(FORGET_STATISTICS)
        assert made_plan(world).rows == 303
        braked = world.run(len(world.days) - 2, is_confirmed=False)
        assert braked is not None
        assert braked.is_braked
        with pytest.raises(RetentionStopped, match="1 partitions with 37% of the rows"):
            braked.require_done()
        assert name_of((world.days[0], world.days[1])) in world.tables()


def made_plan(world: History) -> Plan:
    with transaction(world.engine) as connection:
        return make_plan(connection, Policy(len(world.days) - 2))
