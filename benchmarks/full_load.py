"""Post to the whole service as fast as it accepts, and read what an event costs it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

import redis
import sqlalchemy as sa

from benchmarks.bench import Bench, pids_of
from benchmarks.load import run
from benchmarks.processes import cpu_seconds, peak_resident_mib, resident_mib, written_bytes
from storage.postgres.engine import short_engine
from storage.redis import keys
from storage.settings import StorageSettings
from testbed.service import Service
from testbed.waiting import wait_until

CONNECTIONS = 64
_DRAIN_SECONDS = 300


def full_load(
    bench: Bench,
    settings: StorageSettings,
    ours: Service,
    posts: Path,
    connections: int = CONNECTIONS,
    events: int = 1,
) -> dict[str, float]:
    """Return rates, CPU and bytes written per event, by role, until all events are stored.

    `events`: those of each request in `posts`.
    """
    roles = {**pids_of(ours), **{role: [pid] for role, pid in bench.pids().items()}}
    before = _spent(settings, roles)
    start = monotonic()
    load = run(ours.url, posts, connections, bench.pace.seconds * 2)
    left = backlog(settings)
    memory = {f"{role}_mib": max(map(resident_mib, pids)) for role, pids in roles.items()}
    wait_drained(settings)
    seconds = monotonic() - start
    accepted = load.requests * events
    spent = {name: (now - before[name]) / accepted for name, now in _spent(settings, roles).items()}
    return {
        "accepted_per_second": load.rate * events,
        "stored_per_second": accepted / seconds,
        "left_at_the_end": left,
        "cpu_us_per_event": sum(one for name, one in spent.items() if name.endswith("_cpu_us")),
        **spent,
        **memory,
        "api_greatest_mib": max(map(peak_resident_mib, roles["api"])),
    }


def _spent(settings: StorageSettings, roles: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Return the CPU of each role in µs, and the bytes that queue and PostgreSQL have written."""
    with short_engine(settings.database_url) as engine, engine.connect() as connection:
        wal = connection.scalar(sa.text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"))
    return {
        **{f"{role}_cpu_us": cpu_seconds(pids) * 1e6 for role, pids in roles.items()},
        "queue_written_bytes": sum(map(written_bytes, roles["queue"])),
        "postgres_wal_bytes": float(wal or 0),
    }


def backlog(settings: StorageSettings) -> int:
    """Return the number of entries on all shards."""
    with redis.Redis.from_url(settings.queue_url) as client:
        return sum(int(client.xlen(keys.stream(n))) for n in range(settings.shards))


def wait_drained(settings: StorageSettings) -> None:
    """Wait until every event is stored."""
    wait_until(lambda: backlog(settings) == 0, "the backlog to be stored", _DRAIN_SECONDS)
