"""A migration beside a transaction that does not end: nobody else waits for it."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from migrations import locking
from storage.postgres.migrate import current_revision, known_revisions, upgrade
from testbed.servers import TestServers
from testbed.waiting import wait_until

_BEFORE = "0005"
_ATTEMPTS = 3
_LIMIT = "30s"  # of each statement of the others; the one that does not end goes on for longer
_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND wait_event_type = 'Lock'"
)


@pytest.fixture
def engine(servers: TestServers) -> Iterator[sa.Engine]:
    """Return an engine for a database of some migrations ago."""
    name = f"test_{secrets.token_hex(6)}"
    servers.execute(f"CREATE DATABASE {name}")
    made = sa.create_engine(servers.settings(name).database_url, pool_size=10)
    upgrade(url(made), _BEFORE)
    yield made
    made.dispose()
    servers.execute(f"DROP DATABASE {name} WITH (FORCE)")


def url(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def is_waiting(engine: sa.Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(_WAITING))


def read_and_write(engine: sa.Engine) -> None:
    """Do what a reader and a drain do, within a limit: behind the migration it would fail."""
    with engine.begin() as connection:
        connection.execute(sa.text(f"SET LOCAL statement_timeout = '{_LIMIT}'"))
        connection.execute(sa.text("SELECT count(*) FROM events"))
        connection.execute(sa.text("UPDATE drain_ledger SET stored = stored"))


@pytest.mark.parametrize(
    "held",
    [
        "SELECT count(*) FROM events",  # a long reader
        "SELECT count(*) FROM drain_ledger",
        "SELECT version_num FROM alembic_version FOR UPDATE",  # met behind all other locks
        "LOCK TABLE alembic_version IN SHARE MODE",
    ],
)
def test_others_go_on_while_a_migration_waits_for_a_transaction_that_does_not_end(
    engine: sa.Engine, held: str
) -> None:
    with ThreadPoolExecutor(1) as pool, engine.connect() as endless:
        endless.execute(sa.text(held))
        migrating = pool.submit(upgrade, url(engine))
        for _ in range(_ATTEMPTS):
            wait_until(lambda: is_waiting(engine), "the migration to wait", 60)
            read_and_write(engine)
            wait_until(lambda: not is_waiting(engine), "it to let the others pass", 60)
        assert not migrating.done()
        endless.rollback()
        migrating.result(timeout=120)
    assert current_revision(url(engine)) == known_revisions()[0]


def test_a_migration_that_finds_no_moment_gives_up_and_says_why(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "TRY_FOR_SECONDS", 0.0)
    with engine.connect() as endless:
        endless.execute(sa.text("LOCK TABLE alembic_version IN SHARE MODE"))
        with pytest.raises(Exception, match="lock timeout"):
            upgrade(url(engine))
    assert current_revision(url(engine)) == _BEFORE
