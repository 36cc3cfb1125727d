"""Plant what can be wrong on real servers: `activity doctor` finds and names each."""

import pytest

from cli.doctor import database_checks, machine_checks
from cli.doctor.check import Verdict
from storage.redis import keys
from tests.support import doctor_bench
from tests.support.doctor_bench import Bench, open_transaction
from tests.support.misconfigured import (
    Plant,
    asynchronous_commits,
    database_setting,
    dead_letter,
    dead_rows,
    detached_partition,
    empty_database,
    expiring,
    failed_rewrite,
    few_partitions,
    full_queue,
    index_of_no_partition,
    invalid_partition_index,
    large_log,
    late_erasure,
    lost_event,
    newer_tables,
    older_tables,
    one_server,
    own,
    paused_shard,
    replica,
    retention,
    slow_clock,
    uncounted,
    written_past_the_triggers,
)

FAULT, WARNING = Verdict.FAULT, Verdict.WARNING
NOWHERE = "unix:///nonexistent/server.sock"

bench = doctor_bench.bench


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
    ("queue-replicas", FAULT, "no event is accepted", lambda b: b.change(queue_replicas=1)),
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
    (
        "retention",
        WARNING,
        "retention has not run for 20 min",
        retention(days="7", ran_at="now() - interval '20 min'"),
    ),
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
        "need up to 115",
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
