"""A drain whose servers go away pauses; nothing is lost, and nothing is committed unseen."""

import io
from dataclasses import replace
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from storage.cache.invalidation import CacheInvalidator
from storage.events.writer import BatchWriter
from storage.redis.client import connect
from testbed.servers import TestServers
from testbed.waiting import wait_until
from tests.support import drain_bench
from tests.support.drain_bench import NOWHERE, Bench, before, count
from tests.support.queued import (
    append,
    assert_stored_once,
    backlog,
    dead_ids,
    make_event,
    make_events,
    state,
)

bench = drain_bench.bench


def test_without_postgresql_a_drain_pauses_and_nothing_is_lost(bench: Bench) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    away = sa.create_engine("postgresql+psycopg2:///activity?host=/nonexistent")
    worker = bench.worker()
    worker.size.count = 5_000
    broken = replace(worker, writer=BatchWriter(away, "day"))
    assert bench.drain(broken) == "paused"
    assert worker.size.count == 128, "the next try is a small one"
    assert bench.jobs() == []
    assert worker.scheduler.sweep() == 0, "it is not tried again at once"
    bench.expire()
    assert worker.scheduler.sweep() == 1
    assert bench.drain(worker) == "done"
    bench.assert_all_well(batch)


def test_postgresql_going_away_during_a_batch_pauses_the_drain(
    bench: Bench, servers: TestServers
) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    worker = bench.worker()

    def cut() -> None:
        servers.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'activity-drain-0'"
        )

    broken = replace(worker, invalidator=before(worker.invalidator, "begin_write", cut))
    assert bench.drain(broken) == "paused"
    assert state(bench.queue)["st"] == "q"
    assert worker.scheduler.sweep() == 0, "it is not tried again at once"
    assert backlog(bench.queue) == 5
    assert bench.drain(worker) == "done", "the lost connection is not used again"
    bench.assert_all_well(batch)


def test_a_session_that_postgresql_ended_between_two_batches_is_replaced_without_a_pause(
    bench: Bench, servers: TestServers
) -> None:
    batch = make_events(20)
    append(bench.settings, batch)
    worker = bench.worker(batch_events=10)
    idle = "FROM pg_stat_activity WHERE application_name = 'activity-drain'"

    def end() -> None:
        servers.execute(f"SELECT pg_terminate_backend(pid) {idle}")
        wait_until(lambda: not count(bench.engine, f"SELECT count(*) {idle}"), "its end")

    broken = replace(worker, invalidator=before(worker.invalidator, "end_write", end))
    assert bench.drain(broken) == "done"
    bench.assert_all_well(batch)


def test_a_connection_lost_in_the_middle_of_copy_pauses_the_drain(
    bench: Bench, servers: TestServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [make_event("x" * 1_000) for _ in range(3_000)]
    append(bench.settings, batch)
    reads: list[int] = []

    class CutInTheMiddle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            reads.append(1)
            if len(reads) == 2:
                servers.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'activity-drain-0'"
                )
            return super().read(size)

    worker = bench.worker()
    with monkeypatch.context() as patched:
        patched.setattr("storage.events.insertion.io", SimpleNamespace(BytesIO=CutInTheMiddle))
        worker.size.count = 3_000
        assert bench.drain(worker) == "paused"
    assert len(reads) >= 2
    assert bench.writing[0].pool.checkedout() == 0  # type: ignore[attr-defined]
    assert bench.drain(worker) == "done"
    bench.assert_all_well(batch)


def test_a_database_that_is_not_migrated_pauses_the_drain_until_it_is(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    worker = bench.worker()
    for table in ("drain_ledger", "events"):
        with bench.engine.begin() as connection:
            connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO elsewhere"))
        assert bench.drain(worker) == "paused"
        assert f'relation "{table}" does not exist' in caplog.messages[-1]
        with bench.engine.begin() as connection:
            connection.execute(sa.text(f"ALTER TABLE elsewhere RENAME TO {table}"))
    assert bench.drain(worker) == "done"
    bench.assert_all_well(batch)


def test_nothing_is_committed_while_control_is_away(bench: Bench) -> None:
    batch = make_events(5)
    append(bench.settings, batch)
    worker = bench.worker()
    broken = replace(worker, invalidator=CacheInvalidator(connect(NOWHERE)))
    assert bench.drain(broken) == "paused"
    assert_stored_once(bench.engine, [])
    assert backlog(bench.queue) == 5
    assert dead_ids(bench.engine) == {}
    assert bench.drain(worker) == "done"
    bench.assert_all_well(batch)
