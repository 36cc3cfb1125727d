"""Measure one turn: post load to a system until every accepted event is stored."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.load import Load, run
from benchmarks.peers.running import Running
from benchmarks.processes import cpu_seconds

CONNECTIONS = 64
_WARM_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Turn:
    """The result of one turn; CPU time in µs per stored event, by role."""

    load: Load
    stored_per_second: float
    cpu_us: Mapping[str, float]
    lost: int


def take(bench: Bench, running: Running, posts: Path, rate: float | None = None) -> Turn:
    """Warm up, then measure; `rate` in events a second. Raises LoadFailed."""
    run(running.url, posts, CONNECTIONS, _WARM_SECONDS, rate)
    rows_before = running.rows.wait_still()
    roles = {**running.pids, **{role: [pid] for role, pid in bench.pids().items()}}
    before, start = _used(roles, running), time.monotonic()
    load = run(running.url, posts, CONNECTIONS, bench.pace.seconds * 2, rate)
    accepted = load.requests - load.refused
    found, end = running.rows.wait_for(rows_before + accepted)
    after = _used(roles, running)
    stored = found - rows_before  # more than accepted if the end of the load cut off answers
    return Turn(
        load=load,
        stored_per_second=stored / (end - start),
        cpu_us={role: (after[role] - before[role]) / stored * 1e6 for role in roles},
        lost=max(0, accepted - stored),
    )


def _used(roles: Mapping[str, list[int]], running: Running) -> dict[str, float]:
    """Return the CPU seconds by role, without the cost of counting rows."""
    used = {role: cpu_seconds(pids) for role, pids in roles.items()}
    return {**used, "postgres": used["postgres"] - running.rows.cpu_seconds()}
