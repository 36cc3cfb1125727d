"""Plant what can be wrong on real servers: `activity doctor` finds and names each."""

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from cli.doctor import database_checks, machine_checks
from cli.doctor.check import Verdict
from cli.doctor.machine import Machine
from cli.doctor.subject import RunFacts
from storage.postgres import migrate, partitions
from storage.postgres.engine import plain_engine
from storage.redis import keys
from testbed.waiting import wait_until
from tests.support import doctor_bench
from tests.support.doctor_bench import Bench, open_transaction
from tests.support.queued import add_dead_letter, append, make_event

FAULT, WARNING = Verdict.FAULT, Verdict.WARNING
NOWHERE = "unix:///nonexistent/server.sock"
Plant = Callable[[Bench], object]

bench = doctor_bench.bench


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
        query = "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'events'::regclass"
        names = sorted(connection.exec_driver_sql(query).scalars())
        for name in names[2:]:
            connection.exec_driver_sql(f"DROP TABLE {name}")
    engine.dispose()


def detached_partition(bench: Bench) -> None:
    engine = plain_engine(bench.settings.database_url)
    with engine.begin() as connection:
        query = "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'events'::regclass"
        name = sorted(connection.exec_driver_sql(query).scalars())[3]
        connection.exec_driver_sql(f"ALTER TABLE events DETACH PARTITION {name}")
    engine.dispose()


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
    name = make_url(bench.settings.database_url).database
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


DISPOSABLE = {"appendonly": "no", "maxmemory_policy": "volatile-lru"}
CASES: list[tuple[str, Verdict, str, Plant]] = [
    ("queue-aof", FAULT, "appendonly no", own("queue", appendonly="no")),
    ("queue-fsync", FAULT, "appendfsync everysec", own("queue", appendfsync="everysec")),
    (
        "queue-fsync",
        FAULT,
        "no-appendfsync-on-rewrite yes",
        own("queue", no_appendfsync_on_rewrite="yes"),
    ),
    (
        "queue-eviction",
        FAULT,
        "deletes acknowledged events",
        own("queue", maxmemory_policy="allkeys-lru"),
    ),
    ("queue-writes", FAULT, "the last rewrite of the append-only file failed", failed_rewrite),
    ("queue-memory", WARNING, "no maxmemory", own("queue", "0")),
    ("queue-memory", FAULT, ": it refuses events", full_queue),
    ("queue-overcommit", WARNING, "vm.overcommit_memory is", own("queue", "9000gb")),
    ("queue-version", FAULT, "is a replica", replica),
    ("queue-shards", WARNING, "have used 8", lambda bench: bench.announce(8)),
    ("queue-shards", FAULT, "have used 2", lambda bench: bench.announce(2)),
    ("queue-shards", FAULT, "says 5000 shards", lambda bench: bench.announce(5000)),
    ("queue-paused", FAULT, "shard 2: RefusedShare: 11 of 12", paused_shard),
    ("queue-answers", FAULT, "the queue does not answer", lambda b: b.change(queue_url=NOWHERE)),
    ("control-answers", FAULT, "control does not answer", lambda b: b.change(control_url=NOWHERE)),
    (
        "control-eviction",
        FAULT,
        "allkeys-lru",
        own("control", appendonly="no", maxmemory_policy="allkeys-lru"),
    ),
    (
        "control-eviction",
        WARNING,
        "noeviction",
        own("control", appendonly="no", maxmemory_policy="noeviction"),
    ),
    ("control-eviction", WARNING, "no maxmemory", own("control", "0", **DISPOSABLE)),
    ("control-persistence", FAULT, "save '60 1'", own("control", save="60 1", **DISPOSABLE)),
    (
        "control-persistence",
        FAULT,
        "appendonly yes",
        own("control", maxmemory_policy="volatile-lru"),
    ),
    ("workers", FAULT, "no worker is registered", lambda bench: bench.control.flushall()),
    (
        "workers",
        FAULT,
        "1 worker ended without a word",
        lambda bench: bench.control.delete("rq:worker:planted"),
    ),
    (
        "refused-jobs",
        WARNING,
        "3 entries of RQ's list",
        lambda bench: bench.control.set(keys.REFUSED_JOBS, 3),
    ),
    ("retention", WARNING, "retention has never run", retention("7", ran_at="NULL")),
    (
        "retention",
        WARNING,
        "retention has not run for 20 min",
        retention("7", ran_at="now() - interval '20 min'"),
    ),
    ("retention", WARNING, "under other settings than these", retention("7", days="90")),
    ("retention", WARNING, "1 partition is due and still there", retention("7", due="1")),
    (
        "retention",
        WARNING,
        "5 partitions are due, and so much",
        retention("7", due="5", is_braked="true"),
    ),
    (
        "disk-budget",
        FAULT,
        "1.0 GiB over its budget of 1.0 GiB",
        retention("", str(2**30), excess_bytes=str(2**30)),
    ),
    ("erasures", WARNING, "not done after 2 h 0 min: files, waits for a moment", late_erasure),
    (
        "database-answers",
        FAULT,
        "PostgreSQL can't answer now",
        lambda b: b.change(database_url="postgresql+psycopg2://a@/a?host=/nonexistent"),
    ),
    (
        "database-durability",
        FAULT,
        "full_page_writes off",
        database_setting("full_page_writes", "off"),
    ),
    (
        "database-durability",
        WARNING,
        "synchronous_commit off",
        asynchronous_commits,
    ),
    ("database-vacuum", FAULT, "autovacuum off", database_setting("autovacuum", "off")),
    ("database-vacuum", WARNING, "drain_ledger has 200 dead rows", dead_rows),
    ("database-transactions", WARNING, "1 transaction open", open_transaction),
    ("database-migration", FAULT, "at migration 0001", older_tables),
    ("database-migration", FAULT, "at migration 9999, which this version", newer_tables),
    ("database-migration", FAULT, "the database is empty", empty_database),
    ("database-partitions", FAULT, "partitions reach 1 d", few_partitions),
    ("database-partitions", WARNING, "partitions reach 2 d", detached_partition),
    ("database-indexes", FAULT, "1 index of our tables is invalid", invalid_partition_index),
    ("database-indexes", FAULT, "half_made of events", index_of_no_partition),
    ("database-counts", FAULT, "differ from the table in 1 place", written_past_the_triggers),
    ("database-counts", WARNING, "is not counted yet", uncounted),
    (
        "database-connections",
        FAULT,
        "need up to 114",
        lambda bench: bench.change(database_pool=100),
    ),
    (
        "dead-letters",
        WARNING,
        "1 dead letter:",
        dead_letter,
    ),
    ("servers-apart", FAULT, "are one server", one_server),
    ("clocks", WARNING, "the clocks of this machine and", slow_clock(5)),
    ("clocks", FAULT, "the clocks of this machine and", slow_clock(40)),
    ("balance", FAULT, "the queue itself misses 1", lost_event),
    ("keys-expiry", WARNING, "the first: 3kTMd9fa ends in 2 d", expiring(59)),
    ("keys-expiry", WARNING, "3kTMd9fa has ended 12 h", expiring(-12)),
    (
        "keys-expiry",
        FAULT,
        "nobody may use these keys: 3kTMd9fa",
        lambda bench: bench.queue.hset(keys.API_KEYS, "3kTMd9fa", "{"),
    ),
    ("log-size", WARNING, "api.log has 40.0 MiB", large_log),
]


@pytest.mark.parametrize(
    ("name", "verdict", "words", "plant"), CASES, ids=[f"{case[0]}: {case[2]}" for case in CASES]
)
def test_each_misconfiguration_is_found_and_named(
    bench: Bench,
    name: str,
    verdict: Verdict,
    words: str,
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database_checks, "LONG_SECONDS", 0.0)
    monkeypatch.setattr(database_checks, "MIN_DEAD_ROWS", 100)
    plant(bench)
    finding = bench.examine()[name]
    assert (finding.verdict, words in finding.text) == (verdict, True), finding
    assert finding.remedy


def test_a_setting_that_another_check_names_is_no_second_fault_of_the_probe(bench: Bench) -> None:
    bench.use("queue", "64mb", appendfsync="everysec")
    found = bench.examine()
    assert found["queue-fsync"].verdict == FAULT
    assert found["queue-probe"].verdict == Verdict.UNKNOWN


def test_right_servers_have_no_fault_and_no_warning(bench: Bench) -> None:
    found = bench.examine()
    names = {name for name, one in found.items() if one.verdict in (FAULT, WARNING)}
    assert names <= {"queue-disk", "database-disk"}, found  # those of this machine


@pytest.mark.parametrize(("bound", "verdict"), [("_LOW", WARNING), ("_VERY_LOW", FAULT)])
def test_a_disk_with_little_room_is_named(
    bench: Bench, bound: str, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_checks, "_LOW", (0.0, 0))
    monkeypatch.setattr(machine_checks, "_VERY_LOW", (0.0, 0))
    monkeypatch.setattr(machine_checks, bound, (1.1, 1 << 62))
    found = bench.examine()
    assert found["queue-disk"].verdict == verdict
    assert found["database-disk"].verdict == verdict
    assert " free (" in found["database-disk"].text
