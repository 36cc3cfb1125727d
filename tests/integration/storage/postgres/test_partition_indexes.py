"""The index of when events happened comes to older partitions while the service runs."""

import secrets
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from storage.errors import DatabaseUnavailable
from storage.postgres import partition_indexes, partitions
from storage.postgres.engine import transaction
from storage.postgres.migrate import downgrade, upgrade
from storage.settings import StorageSettings
from tests.support import batch_writing
from worker.maintenance import Maintenance

engine = batch_writing.engine

_DAYS = [datetime(2026, 10, day, tzinfo=UTC) for day in (1, 2, 3)]
_STATE = """
    SELECT t.relname, x.indisvalid FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_class t ON t.oid = x.indrelid JOIN pg_am am ON am.oid = i.relam
    WHERE am.amname = 'brin' ORDER BY 1
"""


@pytest.fixture
def old(engine: sa.Engine, settings: StorageSettings) -> sa.Engine:
    """Migrate a database that has partitions and events of the version before."""
    downgrade(settings.database_url, "0003")
    with transaction(engine) as connection:
        partitions.ensure(connection, _DAYS, "day")
    execute(engine, "INSERT INTO events VALUES ('2026-10-01', gen_random_uuid(), 'c', 'e', 'm')")
    upgrade(settings.database_url)
    return engine


def execute(engine: sa.Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def valid(engine: sa.Engine) -> dict[str, bool]:
    """Return for each table with an index of when events happened whether it is valid."""
    with engine.connect() as connection:
        return {row.relname: row.indisvalid for row in connection.exec_driver_sql(_STATE)}


def test_the_migration_makes_none_for_old_partitions_and_maintenance_makes_all(
    old: sa.Engine,
) -> None:
    assert valid(old) == {"events": False}
    assert partition_indexes.make_next(old) == "events_20261003_20261004"
    assert valid(old) == {"events": False, "events_20261003_20261004": True}
    Maintenance(old, "day", 1).run_once()
    found = valid(old)
    assert all(found.values())
    assert len(found) == 4 + 2  # and the partitions of today and tomorrow
    assert partition_indexes.make_next(old) is None


def test_a_partition_that_is_made_meanwhile_has_it_from_the_beginning(old: sa.Engine) -> None:
    with transaction(old) as connection:
        partitions.ensure(connection, [datetime(2026, 10, 4, tzinfo=UTC)], "day")
    assert valid(old) == {"events": False, "events_20261004_20261005": True}
    while partition_indexes.make_next(old):
        pass
    assert len(valid(old)) == 5
    assert all(valid(old).values())


def test_what_a_killed_process_left_behind_is_made_again(old: sa.Engine) -> None:
    name = "events_20261003_20261004_occurred"
    execute(
        old,
        f"CREATE INDEX {name} ON events_20261003_20261004 "
        "USING brin (COALESCE(occurred_at, created_at))",
    )
    execute(old, f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass")
    while partition_indexes.make_next(old):
        pass
    assert len(valid(old)) == 4
    assert all(valid(old).values())


def test_a_process_that_was_killed_before_attaching_is_continued(old: sa.Engine) -> None:
    name = "events_20261003_20261004_occurred"
    execute(
        old,
        f"CREATE INDEX {name} ON events_20261003_20261004 "
        "USING brin (COALESCE(occurred_at, created_at))",
    )
    before = oid(old, name)
    assert partition_indexes.make_next(old) == "events_20261003_20261004"
    assert oid(old, name) == before


def oid(engine: sa.Engine, name: str) -> object:
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"SELECT '{name}'::regclass::oid::bigint").scalar_one()


def test_writers_do_not_wait_while_it_is_made_and_a_lock_is_not_waited_for_long(
    old: sa.Engine, settings: StorageSettings
) -> None:
    other = sa.create_engine(old.url)
    with other.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE events_20261003_20261004 IN SHARE MODE")
        with pytest.raises(DatabaseUnavailable):
            partition_indexes.make_next(old)
    other.dispose()
    assert partition_indexes.make_next(old) == "events_20261003_20261004"
    assert valid(old) == {"events": False, "events_20261003_20261004": True}


def test_only_one_process_makes_it(old: sa.Engine) -> None:
    other = sa.create_engine(old.url)
    with other.connect() as connection:
        lock = "(hashtext('activity partition indexes'))"
        connection.exec_driver_sql(f"SELECT pg_advisory_lock{lock}")
        assert partition_indexes.make_next(old) is None
        # Not by the end of the session: PostgreSQL takes its time for that.
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock{lock}")
    other.dispose()
    assert partition_indexes.make_next(old) is not None


def test_an_index_serves_a_query_by_when_events_happened(old: sa.Engine) -> None:
    while partition_indexes.make_next(old):
        pass
    name = secrets.token_hex(4)
    execute(
        old,
        "INSERT INTO events SELECT '2026-10-02', gen_random_uuid(), 'c', 'e', "
        f"'{name}' FROM generate_series(1, 20000)",
    )
    execute(old, "ANALYZE events")
    query = "SELECT * FROM events WHERE COALESCE(occurred_at, created_at) < '2020-01-01'"
    with old.begin() as connection:
        connection.exec_driver_sql("SET LOCAL enable_indexscan = off")
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {query}").scalars())
    assert "events_20261002_20261003_occurred" in plan
