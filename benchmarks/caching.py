"""Measure cached pages: answers a second beside an echo, and the hit ratio under ingest."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from urllib.parse import urlencode

import httpx

from benchmarks.bench import Bench, pids_of, rival
from benchmarks.events import FREQUENT_COMPONENT, EventMaker, email
from benchmarks.figures import Figure, Part
from benchmarks.history import History
from benchmarks.key import make_key
from benchmarks.load import Load, Request, Wrk, run, write_requests
from benchmarks.processes import cpu_seconds
from benchmarks.rounds import alternate, ratio, spread
from benchmarks.storing import database_copy
from testbed.service import Service, service
from testbed.waiting import wait_until

SMALL = History(100_000, 1)
PAGE = f"/events?component={FREQUENT_COMPONENT}&limit=100"
_CONNECTIONS = 64
_INGEST_PER_SECOND = 1_000
_READS_PER_SECOND = 300
_COMPONENTS = ("api-gateway", "checkout", "payments", "auth", "inventory", "shipping", "billing")


def measure(bench: Bench) -> Part:
    """Measure one cached page without ingest, then many pages under ingest."""
    with database_copy(bench, SMALL) as settings, ExitStack() as stack:
        bench.empty_queue()
        key = make_key(settings)
        ours = stack.enter_context(service(settings, workers=2, cache_grace_ms=0))
        ours.http.headers["authorization"] = key
        body = ours.http.get(PAGE).content
        file = bench.folder / "page.json"
        file.write_bytes(body)
        echo = stack.enter_context(rival("echo", {"BENCHMARK_BODY": str(file)}))
        wait_until(lambda: _answers(echo.url), "the echo to answer")
        wait_until(lambda: ours.http.get(PAGE).headers["x-cache"] == "HIT", "the page to be cached")
        cached = _cached(bench, ours, echo.url, key)
        steady = _under_ingest(bench, ours, key)
    rates = {name: [load.rate for load in loads] for name, loads in cached.items()}
    figures = [Figure("cached_vs_echo", ratio(rates["ours"], rates["echo"]))]
    details = {name: _detail(loads, len(body)) for name, loads in cached.items()}
    return Part("caching", figures, {**details, "under ingest": steady})


def _cached(bench: Bench, ours: Service, echo_url: str, key: str) -> dict[str, list[Load]]:
    requests = write_requests(bench.folder / "cached", [Request("GET", PAGE)])
    seconds = bench.pace.seconds
    return alternate(
        {
            "echo": lambda: run(echo_url, requests, _CONNECTIONS, seconds),
            "ours": lambda: run(ours.url, requests, _CONNECTIONS, seconds, key=key),
        },
        bench.pace.rounds,
    )


def _under_ingest(bench: Bench, ours: Service, key: str) -> dict[str, float]:
    """Read favourite pages, some of a closed window, beside steady producers."""
    made = islice(EventMaker("ingest"), 4_000)
    posts = write_requests(
        bench.folder / "ingest", (Request("POST", "/events", one.body()) for one in made)
    )
    reads = write_requests(
        bench.folder / "reads", (Request("GET", target) for target in islice(_reads(), 5_000))
    )
    roots = [pid for pids in pids_of(ours).values() for pid in pids] + [*bench.pids().values()]
    seconds = bench.pace.seconds * 4
    before = cpu_seconds(roots)
    producers = Wrk(ours.url, posts, 16, seconds, _INGEST_PER_SECOND, key=key)
    readers = Wrk(ours.url, reads, 16, seconds, _READS_PER_SECOND, True, key)
    read, posted = readers.result(), producers.result()
    return {
        "hit_ratio": read.hits / max(1, read.hits + read.misses + read.bypassed),
        "reads_per_second": read.rate,
        "ingested_per_second": posted.rate,
        "p50_ms": read.p50_ms,
        "p99_ms": read.p99_ms,
        "cores_used": (cpu_seconds(roots) - before) / seconds,
    }


def _reads() -> Iterator[str]:
    """Return the queries of 300 readers: newest pages of their filters, a fifth of yesterday."""
    spread_ = random.Random(7)
    favourites = [
        *({"component": name} for name in _COMPONENTS),
        *({"component": f"worker-{number:02d}"} for number in range(48)),
        *({"email": email(spread_.randrange(100_000))} for _ in range(200)),
        *({"component": name, "to_date": "2026-10-01T18:00:00Z"} for name in _COMPONENTS * 9),
    ]
    spread_.shuffle(favourites)
    while True:
        chosen = favourites[int(len(favourites) * spread_.random() ** 2)]
        yield "/events?" + urlencode({**chosen, "limit": 50})


def _detail(loads: list[Load], size: int) -> dict[str, float]:
    return {
        "answers_per_second": spread([load.rate for load in loads]).median,
        "p50_ms": spread([load.p50_ms for load in loads]).median,
        "p99_ms": spread([load.p99_ms for load in loads]).median,
        "wrk_cores": spread([load.cpu_seconds / load.seconds for load in loads]).median,
        "body_bytes": size,
    }


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=20, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
