"""Measure the whole service under load, as `activity up` runs it: its rate and its lag.

The limit is the rate at which it accepts events while it stores them, on cores that all processes
share. Lag is measured at parts of this rate: an event is posted, and queried until a page shows it.
"""

import http.client
import json
import threading
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import quote, urlsplit

from benchmarks.accepting import batches_of
from benchmarks.bench import Bench
from benchmarks.events import EventMaker
from benchmarks.figures import Figure, Part
from benchmarks.full_load import CONNECTIONS, full_load, wait_drained
from benchmarks.load import Request, Wrk, run, write_requests
from benchmarks.rounds import percentile, spread
from testbed.service import Service, service
from testbed.waiting import wait_until

BATCH = 1000
SHARES = {"quarter": 0.25, "half": 0.5, "nine tenths": 0.9}
_BATCH_CONNECTIONS = 8
_PROBES = 2
_POLL_SECONDS = 0.005
_GIVE_UP_SECONDS = 20.0


class Probe(threading.Thread):
    """A thread that posts an event and queries until it appears, again and again."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._url = url
        self._lags: list[float] = []
        self._stop_asked = threading.Event()

    def stop(self) -> list[float]:
        """Stop after the current event; return the lags in milliseconds."""
        self._stop_asked.set()
        self.join(_GIVE_UP_SECONDS + 5)
        return [lag * 1000 for lag in self._lags]

    def run(self) -> None:
        """Run until `stop`."""
        address = urlsplit(self._url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        number = 0
        while not self._stop_asked.is_set():
            number += 1
            self._lags.append(_lag(connection, f"{self.name}-{number}@probe.example.com"))
        connection.close()


def _lag(connection: http.client.HTTPConnection, email: str) -> float:
    event = {"component": "probe", "environment": "test", "message": "probe", "email": email}
    headers = {"content-type": "application/json"}
    _answer(connection, "POST", "/events", json.dumps(event), headers)
    accepted = time.monotonic()
    path = f"/events?limit=1&email={quote(email)}"
    while not json.loads(_answer(connection, "GET", path))["events"]:
        if time.monotonic() - accepted > _GIVE_UP_SECONDS:
            break
        time.sleep(_POLL_SECONDS)
    return time.monotonic() - accepted


def _answer(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: str | None = None,
    headers: dict[str, str] | None = None,
) -> bytes:
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    content = response.read()
    if response.status not in (200, 202):
        raise RuntimeError(f"{method} {path}: {response.status} {content[:200]!r}")
    return content


def measure(bench: Bench) -> Part:
    """Measure full load of single posts and of batches, then parts of that of single posts."""
    posts = write_requests(
        bench.folder / "lag",
        (Request("POST", "/events", one.body()) for one in islice(EventMaker("lag"), 4_000)),
    )
    with bench.servers.fresh() as settings, service(settings, workers=2) as ours:
        wait_until(lambda: ours.answers("/health/ready?for=query"), "history to be readable")
        run(ours.url, posts, CONNECTIONS, 1)
        wait_drained(settings)
        full = full_load(bench, settings, ours, posts)
        batches = batches_of(BATCH, bench.folder)
        in_batches = full_load(bench, settings, ours, batches, _BATCH_CONNECTIONS, BATCH)
        lags = {}
        for name, share in SHARES.items():
            lags[name] = _lag_at(bench, ours, posts, full["accepted_per_second"] * share)
            wait_drained(settings)
    figures = [
        Figure("lag_p50", spread([lags["half"]["p50_ms"]])),
        Figure("lag_p99", spread([lags["half"]["p99_ms"]])),
        Figure("cpu_us_per_event", spread([full["cpu_us_per_event"]])),
    ]
    loads = {"full load": full, f"full load, batches of {BATCH:,}": in_batches}
    return Part("whole", figures, loads | {f"lag at {n}": v for n, v in lags.items()})


def _lag_at(bench: Bench, ours: Service, posts: Path, rate: float) -> dict[str, float]:
    seconds = 4 if bench.pace.quick else 15
    wrk = Wrk(ours.url, posts, CONNECTIONS, seconds, rate)
    time.sleep(0.5)  # let the load reach its rate
    probes = [Probe(ours.url, f"{rate:.0f}-{number}") for number in range(_PROBES)]
    for probe in probes:
        probe.start()
    load = wrk.result()
    lags = [lag for probe in probes for lag in probe.stop()]
    return {"wanted_per_second": rate, "accepted_per_second": load.rate, **_percentiles(lags)}


def _percentiles(lags: Sequence[float]) -> dict[str, float]:
    return {
        "p50_ms": percentile(lags, 0.5),
        "p99_ms": percentile(lags, 0.99),
        "max_ms": max(lags),
        "samples": len(lags),
    }
