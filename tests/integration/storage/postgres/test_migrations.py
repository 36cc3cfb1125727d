"""Migrations: up, down and up again, concurrently, and with the same tables as the models."""

import json
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from cli.main import main
from storage.errors import DatabaseUnavailable
from storage.postgres import partitions
from storage.postgres.migrate import downgrade, upgrade
from storage.postgres.tables import metadata
from testbed.servers import TestServers
from testbed.waiting import wait_until

TABLES = set(metadata.tables)
PARTITION = re.compile(r"events_\d{8}_\d{8}")
_DESCRIBE = """
SELECT 'index', pg_get_indexdef(indexrelid) FROM pg_index
    JOIN pg_class ON oid = indrelid WHERE relname = ANY(:tables)
UNION ALL SELECT 'constraint', relname || ' ' || pg_get_constraintdef(c.oid) FROM pg_constraint c
    JOIN pg_class r ON r.oid = conrelid WHERE relname = ANY(:tables)
UNION ALL SELECT 'partitioned', relname || ' ' || pg_get_partkeydef(oid) FROM pg_class
    WHERE relname = ANY(:tables) AND relkind = 'p'
UNION ALL SELECT 'column', concat_ws(' ', relname, attname, format_type(atttypid, atttypmod),
        attnotnull, attidentity, pg_get_expr(adbin, adrelid)) FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relname = ANY(:tables) AND attnum > 0 AND NOT attisdropped
"""


class Databases:
    """Create empty databases, and drop them after the test."""

    def __init__(self, servers: TestServers) -> None:
        self._servers = servers
        self._engines: dict[str, sa.Engine] = {}

    def new(self) -> sa.Engine:
        name = f"test_{secrets.token_hex(6)}"
        self._servers.execute(f"CREATE DATABASE {name}")
        self._engines[name] = sa.create_engine(self._servers.settings(name).database_url)
        return self._engines[name]

    def drop(self) -> None:
        for name, engine in self._engines.items():
            engine.dispose()
            self._servers.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def databases(servers: TestServers) -> Iterator[Databases]:
    found = Databases(servers)
    yield found
    found.drop()


@pytest.fixture
def migrated(databases: Databases) -> sa.Engine:
    engine = databases.new()
    upgrade(url(engine))
    return engine


def url(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def tables(engine: sa.Engine) -> set[str]:
    return set(sa.inspect(engine).get_table_names())


def description(engine: sa.Engine) -> set[tuple[str, str]]:
    """Return every column, index, constraint and partition key, as PostgreSQL describes them."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text(_DESCRIBE), {"tables": list(TABLES)})
        return {(kind, text) for kind, text in rows}


def drift(engine: sa.Engine) -> list[object]:
    """Return what Alembic would change to make the database match the models."""

    def is_ours(item: object, name: str | None, kind: str, reflected: bool, to: object) -> bool:
        return not (kind == "table" and PARTITION.fullmatch(name or ""))

    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_object": is_ours,
        "target_metadata": metadata,
    }
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))


def change(engine: sa.Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(statement))


def test_a_database_goes_up_down_to_nothing_and_up_again(migrated: sa.Engine) -> None:
    first = description(migrated)
    with migrated.begin() as connection:  # a partition, with an event, is in no one's way
        partitions.ensure(connection, [datetime(2026, 11, 24, tzinfo=UTC)], "day")
    change(
        migrated,
        "INSERT INTO events VALUES "
        "('2026-11-24', gen_random_uuid(), 'component', 'environment', 'message')",
    )
    assert tables(migrated) >= {*TABLES, "events_20261124_20261125"}
    downgrade(url(migrated), "base")
    assert tables(migrated) <= {"alembic_version"}
    upgrade(url(migrated))
    assert tables(migrated) == {*TABLES, "alembic_version"}
    assert description(migrated) == first


def test_upgrading_what_is_up_to_date_changes_nothing(migrated: sa.Engine) -> None:
    before = description(migrated)
    upgrade(url(migrated))
    assert description(migrated) == before


def test_the_command_says_from_where_to_where_it_went(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str) -> str:
        assert main(["migrate", *arguments]) == 0
        return capsys.readouterr().out.strip()

    monkeypatch.setenv("ACTIVITY_DATABASE_URL", url(databases.new()))
    first = said()
    newest = json.loads(said("--json"))["to"]
    assert first.startswith(f"migrated from an empty database to {newest} (")
    assert said().startswith(f"nothing to do: the database is at {newest} (")
    assert json.loads(said("--to", "0001", "--json")) == {"from": newest, "to": "0001"}
    assert said("--to", "base") == "migrated from 0001 to empty: no migration is applied"


def test_several_upgrades_at_once_are_one(databases: Databases) -> None:
    engine = databases.new()
    code = "import sys; from storage.postgres.migrate import upgrade; upgrade(sys.argv[1])"
    command = [sys.executable, "-W", "error", "-c", code, url(engine)]
    with engine.begin() as connection:  # so that all of them are there before the first begins
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('activity migrations'))"))
        running = [subprocess.Popen(command) for _ in range(4)]
        wait_until(lambda: waiting(engine) == 4, "each upgrade to wait for its turn", 60)
        assert tables(engine) == set()
    assert [process.wait(60) for process in running] == [0] * 4
    assert tables(engine) == {*TABLES, "alembic_version"}


def waiting(engine: sa.Engine) -> int:
    """Count the sessions that wait for a lock, in a new transaction with a new snapshot."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
    with engine.connect() as connection:
        return connection.scalar(sa.text(query)) or 0


def test_a_migration_that_fails_leaves_nothing_behind(databases: Databases) -> None:
    engine = databases.new()
    change(engine, "CREATE TABLE dead_letters (other integer)")
    with pytest.raises(Exception, match="already exists"):
        upgrade(url(engine))
    assert tables(engine) == {"dead_letters"}
    change(engine, "DROP TABLE dead_letters")
    upgrade(url(engine))
    assert tables(engine) >= TABLES


def test_upgrading_a_database_that_is_away_says_so() -> None:
    with pytest.raises(DatabaseUnavailable):
        upgrade("postgresql+psycopg2:///activity?host=/nonexistent")


def test_the_models_and_the_migrations_do_not_drift(migrated: sa.Engine) -> None:
    with migrated.begin() as connection:
        partitions.ensure(connection, [datetime(2026, 11, 24, tzinfo=UTC)], "day")
    assert drift(migrated) == []


def test_the_models_make_the_very_tables_of_the_migrations(
    migrated: sa.Engine, databases: Databases
) -> None:
    modelled = databases.new()
    change(modelled, "CREATE EXTENSION pg_trgm")
    change(modelled, "CREATE FUNCTION claim_feed_number() RETURNS bigint RETURN 1")
    metadata.create_all(modelled)
    found = description(migrated)
    assert found == description(modelled)
    assert {kind for kind, _ in found} == {"index", "constraint", "partitioned", "column"}
    assert len([text for kind, text in found if kind == "index"]) >= 8


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE events ADD COLUMN more text",
        "ALTER TABLE events ALTER COLUMN email SET NOT NULL",
        "ALTER TABLE events ALTER COLUMN message TYPE varchar(10)",
        "ALTER TABLE dead_letters DROP COLUMN reason",
        "DROP INDEX events_component",
        "CREATE TABLE more (id integer)",
    ],
)
def test_a_drift_would_be_noticed(migrated: sa.Engine, statement: str) -> None:
    before = description(migrated)
    change(migrated, statement)
    assert drift(migrated) != []
    assert description(migrated) != before or "more (" in statement


@pytest.mark.parametrize(
    ("index", "other"),
    [
        ("events_email", "(lower(email), created_at DESC, id DESC)"),
        ("events_component", "(component, created_at, id)"),
        ("events_message", "USING gin (message gin_trgm_ops) WITH (fastupdate = off)"),
        ("events_data", "USING gin (data jsonb_ops)"),
    ],
)
def test_another_expression_order_or_operator_class_would_be_noticed(
    migrated: sa.Engine, index: str, other: str
) -> None:
    before = description(migrated)
    change(migrated, f"DROP INDEX {index}")
    change(migrated, f"CREATE INDEX {index} ON events {other}")
    assert description(migrated) != before
