"""Measure how many events a second one API process acknowledges, beside an echo and RQ jobs.

No worker runs at the same time, because the limit of one process is measured, not that of two
shared cores.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import httpx

from benchmarks.bench import Bench, Rival, rival
from benchmarks.events import EventMaker
from benchmarks.figures import Figure, Part
from benchmarks.key import make_key
from benchmarks.load import Load, Request, run, write_requests
from benchmarks.processes import cpu_seconds, peak_resident_mib
from benchmarks.rounds import alternate, ratio, spread
from testbed.service import Service, service
from testbed.waiting import wait_until

SINGLES = 4_000
CONNECTIONS = (8, 64, 256)
_MANY = 64


@dataclass(frozen=True, slots=True)
class Turn:
    """The result of one load: events a second, and CPU time of the server side per event."""

    events_per_second: float
    cpu_us: float
    load: Load


@dataclass
class Accepting:
    """The state of one measurement."""

    bench: Bench
    ours: Service
    key: str
    measures: dict[str, Callable[[], Turn]] = field(default_factory=dict)

    def add(self, name: str, url: str, requests: Path, connections: int, events: int) -> None:
        """Add a measure that posts `events` events in each request."""
        roots = [*self.bench.pids().values()]
        key = self.key if url == self.ours.url else None
        self.measures[name] = lambda: self._turn(url, requests, connections, events, roots, key)

    def _turn(
        self,
        url: str,
        requests: Path,
        connections: int,
        events: int,
        servers: list[int],
        key: str | None,
    ) -> Turn:
        roots = [*servers, *self._processes]
        self.bench.empty_queue()
        before = cpu_seconds(roots)
        load = run(url, requests, connections, self.bench.pace.seconds, key=key)
        used = cpu_seconds(roots) - before
        accepted = (load.requests - load.refused) * events
        return Turn(load.rate * events, used / accepted * 1e6, load)

    _processes: list[int] = field(default_factory=list)

    def watch(self, *pids: int) -> None:
        """Count the CPU time of these processes."""
        self._processes += pids


def measure(bench: Bench) -> Part:
    """Measure all figures of this part."""
    requests = singles(bench.folder)
    with ExitStack() as stack:
        settings = stack.enter_context(bench.servers.fresh())
        env = {"ACTIVITY_QUEUE_URL": settings.queue_url}
        key = make_key(settings)
        ours = stack.enter_context(service(settings, workers=0))
        ours.http.headers["authorization"] = key
        echo = stack.enter_context(rival("echo", env))
        typed = stack.enter_context(rival("typed_rq", env))
        for one in (echo, typed):
            _wait_for(one)
        run_ = Accepting(bench, ours, key)
        run_.watch(ours.apis[0].pid, echo.process.pid, typed.process.pid)
        run_.add("echo", echo.url, requests, _MANY, 1)
        for connections in CONNECTIONS:
            run_.add(f"single_{connections}", ours.url, requests, connections, 1)
        run_.add("typed_rq", typed.url, requests, _MANY, 1)
        batches = _takes_batches(ours)
        if batches:
            for size in (100, 1000):
                run_.add(f"batch_{size}", ours.url, batches_of(size, bench.folder), 8, size)
        turns = alternate(run_.measures, bench.pace.rounds)
        memory = peak_resident_mib(ours.apis[0].pid)
    return _part(turns, memory, batches)


def _part(turns: dict[str, list[Turn]], memory: float, batches: bool) -> Part:
    rates = {name: [turn.events_per_second for turn in found] for name, found in turns.items()}
    single = rates[f"single_{_MANY}"]
    figures = [
        Figure("accept_vs_echo", ratio(single, rates["echo"])),
        Figure("accept_vs_rq", ratio(single, rates["typed_rq"])),
        Figure("api_memory", spread([memory])),
    ]
    if batches:
        figures.append(Figure("batch_vs_single", ratio(rates["batch_1000"], single)))
    return Part("accepting", figures, {name: detail_of(found) for name, found in turns.items()})


def detail_of(found: list[Turn]) -> dict[str, float]:
    """Return what a row of details tells of a measure."""
    return {
        "events_per_second": spread([turn.events_per_second for turn in found]).median,
        "cpu_us_per_event": spread([turn.cpu_us for turn in found]).median,
        "p50_ms": spread([turn.load.p50_ms for turn in found]).median,
        "p99_ms": spread([turn.load.p99_ms for turn in found]).median,
        "wrk_cores": spread([turn.load.cpu_seconds / turn.load.seconds for turn in found]).median,
    }


def singles(folder: Path) -> Path:
    """Write the requests of single events."""
    made = islice(EventMaker("singles"), SINGLES)
    return write_requests(
        folder / "singles", (Request("POST", "/events", one.body()) for one in made)
    )


def batches_of(size: int, folder: Path) -> Path:
    """Write requests with batches of this size, as lines of JSON."""
    events = iter(EventMaker(f"batches of {size}"))
    bodies = (b"\n".join(one.body() for one in islice(events, size)) for _ in range(40))
    kind = "application/x-ndjson"
    return write_requests(
        folder / f"batches-{size}", (Request("POST", "/events/batch", b, kind) for b in bodies)
    )


def _takes_batches(ours: Service) -> bool:
    """Return whether this version has the batch endpoint."""
    body = EventMaker("one").make().body()
    answer = ours.http.post(
        "/events/batch", content=body, headers={"content-type": "application/x-ndjson"}
    )
    return answer.status_code == 202


def _wait_for(one: Rival) -> None:
    def answers() -> bool:
        try:
            httpx.post(one.url + "/events", json={}, timeout=20, trust_env=False)
        except httpx.TransportError:
            return False
        return True

    wait_until(answers, f"{one.url} to answer")
