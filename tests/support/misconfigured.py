"""What can be wrong on real servers, planted for `activity doctor`."""

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cli.doctor.machine import Machine
from cli.doctor.subject import RunFacts
from storage.postgres import migrate, partitions
from storage.postgres.engine import plain_engine
from storage.redis import keys
from testbed.waiting import wait_until
from tests.support.doctor_bench import Bench
from tests.support.queued import add_dead_letter, append, make_event

Plant = Callable[[Bench], object]


def failed_rewrite(bench: Bench) -> None:
    bench.use("queue")
    server = bench.queue
    server.set("something", "to be rewritten")
    server.config_set("rdb-key-save-delay", 60_000_000)  # us: the rewrite takes a minute
    server.bgrewriteaof()
    pid = int(server.info("server")["process_id"])
    children = Path(f"/proc/{pid}/task/{pid}/children")
    (child,) = wait_until(lambda: children.read_text().split(), "the rewrite to begin")
    os.kill(int(child), signal.SIGKILL)
    wait_until(
        lambda: server.info("persistence")["aof_last_bgrewrite_status"] == "err",
        "the rewrite to fail",
    )


def full_queue(bench: Bench) -> None:
    bench.use("queue", "256mb")
    bench.queue.setrange("large", (32 << 20) - 1, b"x")  # a large argument would need memory, too
    used = int(bench.queue.info("memory")["used_memory"])
    bench.queue.config_set("maxmemory", used * 100 // 98)


def replica(bench: Bench) -> None:
    bench.use("queue")
    bench.queue.replicaof("127.0.0.1", 1)


def paused_shard(bench: Bench) -> None:
    append(bench.settings, [make_event()], shard=2)
    bench.queue.hset(keys.state(2), "last_error", "RefusedShare: 11 of 12 events were refused")


def one_server(bench: Bench) -> None:
    bench.change(control_url=bench.settings.queue_url)


def lost_event(bench: Bench) -> None:
    append(bench.settings, [make_event()])
    for name in (keys.stream(0), keys.ids(0)):
        bench.queue.delete(name)


def older_tables(bench: Bench) -> None:
    migrate.downgrade(bench.settings.database_url, "0001")


def newer_tables(bench: Bench) -> None:
    bench.sql("UPDATE alembic_version SET version_num = '9999'")


def empty_database(bench: Bench) -> None:
    migrate.downgrade(bench.settings.database_url, "base")


def few_partitions(bench: Bench) -> None:
    engine = plain_engine(bench.settings.database_url)
    with engine.begin() as connection:
        for name in _partitions_after_today(connection)[1:]:
            connection.exec_driver_sql(f"DROP TABLE {name}")
    engine.dispose()


def detached_partition(bench: Bench) -> None:
    engine = plain_engine(bench.settings.database_url)
    with engine.begin() as connection:
        name = _partitions_after_today(connection)[2]
        connection.exec_driver_sql(f"ALTER TABLE events DETACH PARTITION {name}")
    engine.dispose()


def _partitions_after_today(connection: sa.Connection) -> list[str]:
    """Return their names in the order of days. Before 1:00 there is one of yesterday too."""
    today = partitions.name_of(partitions.span_of(datetime.now(UTC), "day"))
    query = "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'events'::regclass"
    return sorted(name for name in connection.exec_driver_sql(query).scalars() if name > today)


def invalid_partition_index(bench: Bench) -> None:
    bench.sql(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = (SELECT min(i.indexrelid) "
        "FROM pg_index i JOIN pg_inherits p ON p.inhrelid = i.indrelid "
        "WHERE p.inhparent = 'events'::regclass)"
    )


def index_of_no_partition(bench: Bench) -> None:
    bench.sql("CREATE INDEX half_made ON ONLY events (message)")


def written_past_the_triggers(bench: Bench) -> None:
    now = datetime.now(UTC)
    span = partitions.span_of(now - timedelta(hours=1), "day")
    at = now.replace(minute=0, second=0, microsecond=0) - timedelta(seconds=1)
    bench.sql(
        f"INSERT INTO {partitions.name_of(span)} VALUES ('{at}', gen_random_uuid(), 'c', 'e', 'm')"
    )


def uncounted(bench: Bench) -> None:
    bench.sql("ALTER TABLE events DISABLE TRIGGER count_removed")


def dead_rows(bench: Bench) -> None:
    bench.sql("ALTER TABLE drain_ledger SET (autovacuum_enabled = off)")
    bench.sql("INSERT INTO drain_ledger (shard, fence) SELECT n, 0 FROM generate_series(1, 200) n")
    bench.sql("UPDATE drain_ledger SET fence = 1; SELECT pg_stat_force_next_flush()")


def slow_clock(seconds: float) -> Plant:
    def plant(bench: Bench) -> None:
        bench.machine = Machine(clock=lambda: time.time() - seconds)

    return plant


def large_log(bench: Bench) -> None:
    log = bench.servers.servers.layout.log("api")
    log.touch()
    bench.stack.callback(log.unlink)
    os.truncate(log, 40 << 20)
    folder = bench.servers.servers.layout.root
    bench.run = RunFacts(folder, "http://127.0.0.1:5000", [("api", 1), ("worker", 2)])


def asynchronous_commits(bench: Bench) -> None:
    name = sa.make_url(bench.settings.database_url).database
    bench.sql(f"ALTER DATABASE {name} SET synchronous_commit = off")


def dead_letter(bench: Bench) -> None:
    engine = plain_engine(bench.settings.database_url)
    add_dead_letter(engine, make_event())
    engine.dispose()


def expiring(hours: float, **more: Any) -> Plant:
    def plant(bench: Bench) -> None:
        bench.add_key(expires_at=datetime.now(UTC) + timedelta(hours=hours), **more)

    return plant


def own(role: str, maxmemory: str = "64mb", **settings: str) -> Plant:
    return lambda bench: bench.use(role, maxmemory, **settings)


def database_setting(name: str, value: str) -> Plant:
    return lambda bench: bench.alter_system(name, value)


def retention(kept: str = "", budget: str = "", **state: Any) -> Plant:
    """Plant what the last run has found, just now unless `state` says otherwise."""
    limits = {"days": kept or "NULL", "disk_budget": budget or "NULL"}
    state = {"ran_at": "now()", **limits, **state}
    values = ", ".join(f"{name} = {value}" for name, value in state.items())

    def plant(bench: Bench) -> None:
        bench.environment |= {"ACTIVITY_RETENTION_DAYS": kept} if kept else {}
        bench.environment |= {"ACTIVITY_DISK_BUDGET": budget} if budget else {}
        bench.sql(f"UPDATE retention_state SET {values}")

    return plant


def late_erasure(bench: Bench) -> None:
    bench.sql(
        "INSERT INTO erasures "
        "(id, key, digest, before, actor, rewrite, step, started_at, waits_for) "
        "VALUES (gen_random_uuid(), '', '', now(), 'somebody', true, 'files', "
        "now() - interval '2 hours', 'a moment')"
    )
