"""The writing sessions do not depend on PostgreSQL's defaults."""

import pytest
import sqlalchemy as sa

from storage.errors import DatabaseUnavailable
from storage.events.writer import BatchWriter
from storage.model.event import Event
from storage.postgres import engine as database
from storage.postgres.engine import transaction, writing_engine
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.waiting import wait_until
from tests.support.queued import make_events

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = :name AND state LIKE 'idle in%'"


def database_name(settings: StorageSettings) -> str:
    name = sa.make_url(settings.database_url).database
    assert name
    return name


@pytest.fixture
def weak_defaults(settings: StorageSettings, servers: TestServers) -> StorageSettings:
    """Return a database whose defaults are the opposite of what the writer needs."""
    for change in (
        "synchronous_commit = off",
        "idle_in_transaction_session_timeout = 0",
        "default_transaction_isolation = 'serializable'",
    ):
        servers.execute(f"ALTER DATABASE {database_name(settings)} SET {change}")
    return settings


def test_a_batch_is_on_disk_when_its_commit_is_answered(weak_defaults: StorageSettings) -> None:
    engine = writing_engine(weak_defaults.database_url)
    shown = {}
    with transaction(engine) as connection:
        for name in ("synchronous_commit", "transaction_isolation"):
            shown[name] = connection.exec_driver_sql(f"SHOW {name}").scalar()
    engine.dispose()
    assert shown == {"synchronous_commit": "on", "transaction_isolation": "read committed"}


def test_a_drain_that_stands_still_in_its_transaction_lets_its_shard_go(
    weak_defaults: StorageSettings, servers: TestServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "IDLE_LIMIT_MS", 200)
    paused, other = (writing_engine(weak_defaults.database_url) for _ in range(2))
    watching = sa.create_engine(servers.settings("activity").database_url)
    batch = make_events(3)

    def standing_still() -> int:
        with watching.connect() as connection:
            name = {"name": database_name(weak_defaults)}
            return int(connection.execute(sa.text(SESSIONS), name).scalar_one())

    def stand_still() -> None:
        with BatchWriter(paused, "day").batch(0, 1):
            assert standing_still() == 1
            wait_until(lambda: standing_still() == 0, "PostgreSQL to end the paused session")
            store(other, batch)

    with pytest.raises(DatabaseUnavailable):
        stand_still()
    for engine in (paused, other, watching):
        engine.dispose()


def store(engine: sa.Engine, batch: list[Event]) -> None:
    writer = BatchWriter(engine, "day")
    writer.ensure_partitions(batch)
    with writer.batch(0, 1) as batch_transaction:
        assert batch_transaction.insert(batch).stored == len(batch)
