"""Storing a batch: a failure that may pass refuses no event for good."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from storage.errors import DatabaseUnavailable, QueryTooSlow
from storage.events.writer import BatchWriter
from storage.postgres.tables import dead_letters
from storage.settings import StorageSettings
from testbed.servers import TestServers
from tests.support import batch_writing
from tests.support.batch_writing import POISON, write
from tests.support.queued import assert_stored_once, dead_ids, make_event, make_events, stored_ids

engine = batch_writing.engine
writing = batch_writing.writing
writer = batch_writing.writer


def test_a_batch_that_is_halved_for_too_long_is_tried_again_later(
    writer: BatchWriter, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [*make_events(20), POISON["NUL"]]
    with monkeypatch.context() as patch:
        patch.setattr("storage.events.insertion.WRITE_LIMIT_MS", 0)
        with pytest.raises(DatabaseUnavailable, match="too long"):
            write(writer, batch)
        assert stored_ids(engine) == dead_ids(engine) == {}
    assert write(writer, batch).stored == 20


def test_a_missing_partition_is_made_at_the_next_try(
    writer: BatchWriter, engine: sa.Engine
) -> None:
    write(writer, [make_event()])
    with engine.begin() as connection:  # as retention does, behind the writer's back
        partition = connection.scalar(
            sa.text("SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent='events'::regclass")
        )
        connection.execute(sa.text(f"DROP TABLE {partition}"))
    batch = [make_event()]
    with pytest.raises(DatabaseUnavailable, match="partition"):
        write(writer, batch)
    assert dead_ids(engine) == {}
    assert write(writer, batch).stored == 1
    assert_stored_once(engine, batch)


def test_a_database_that_takes_no_writes_now_refuses_nothing_for_good(
    settings: StorageSettings, servers: TestServers, writing: sa.Engine, engine: sa.Engine
) -> None:
    name = writing.url.database
    writer = BatchWriter(writing, "day")
    batch = make_events(3)
    servers.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(DatabaseUnavailable):
        write(writer, batch)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(dead_letters)) == 0
    servers.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    writing.dispose()
    assert write(writer, batch).stored == 3


@pytest.mark.parametrize("used", [True, False])
def test_a_server_that_ends_each_session_as_it_begins_is_away(
    servers: TestServers, writing: sa.Engine, engine: sa.Engine, used: bool
) -> None:
    def end(driver: Any, *_: object) -> None:
        servers.execute(f"SELECT pg_terminate_backend({driver.info.backend_pid}, 5000)")

    writer = BatchWriter(writing, "day")
    batch = make_events(3)
    if used:
        write(writer, make_events(1))
        end(writing.raw_connection().driver_connection)
    sa.event.listen(writing, "connect", end)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            write(writer, batch)
    sa.event.remove(writing, "connect", end)
    assert write(writer, batch).stored == 3


def test_a_lock_that_takes_too_long_refuses_nothing_for_good(
    writer: BatchWriter, engine: sa.Engine
) -> None:
    writer.ensure_partitions(make_events(1))

    def write_impatiently() -> None:
        with writer.batch(0, 1) as transaction:
            transaction._connection.execute(sa.text("SET LOCAL lock_timeout = '50ms'"))
            transaction.insert(make_events(3))

    with engine.connect() as other, other.begin():
        other.execute(sa.text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(DatabaseUnavailable):
            write_impatiently()
    assert dead_ids(engine) == {}


@pytest.mark.parametrize(
    "state",
    ["08006", "40001", "40P01", "53100", "53200", "53300", "55P03", "57P01", "57014", "58030"],
)
def test_a_transient_failure_refuses_nothing_for_good(
    writer: BatchWriter, engine: sa.Engine, state: str
) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"RAISE EXCEPTION 'injected' USING ERRCODE = '{state}'; END $$"
            )
        )
        connection.execute(
            sa.text(
                "CREATE TRIGGER fail BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION fail()"
            )
        )
    batch = make_events(3)
    with pytest.raises(DatabaseUnavailable):
        write(writer, batch)
    assert dead_ids(engine) == {}
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TRIGGER fail ON events"))
    assert write(writer, batch).stored == 3


def test_a_copy_that_is_cancelled_refuses_nothing_for_good(
    writer: BatchWriter, engine: sa.Engine, servers: TestServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cancelled(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            servers.execute(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'activity-drain-0'"
            )
            return super().read(size)

    batch = make_events(3)
    with monkeypatch.context() as patched:
        patched.setattr("storage.events.insertion.io", SimpleNamespace(BytesIO=Cancelled))
        with pytest.raises(QueryTooSlow):
            write(writer, batch)
    assert dead_ids(engine) == {}
    assert write(writer, batch).stored == 3
