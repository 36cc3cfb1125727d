"""Measure exports over HTTP, beside a bare read of the same pages, and accepting beside exports."""

import http.client
import threading
import time
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

import msgspec
import psycopg2
from sqlalchemy.engine import make_url

from benchmarks.accepting import singles
from benchmarks.bench import Bench
from benchmarks.figures import Figure, Part
from benchmarks.history import History
from benchmarks.key import make_key
from benchmarks.load import run
from benchmarks.processes import peak_resident_mib, resident_mib
from benchmarks.rounds import alternate, ratio, spread
from benchmarks.threads import threads_beside
from storage.events.export import PAGE_ROWS
from testbed.service import Service, service

QUICK = History(100_000, 1)
FULL = History(1_000_000, 1)
_EXPORTS = 3  # beside accepting
_CONNECTIONS = 64
_READ_BYTES = 256 * 1024
_PAGE = f"""
    SELECT id::text, created_at, component, environment, message, email, data::text, occurred_at
    FROM events WHERE (created_at, id) > (%s, %s::uuid) AND created_at >= %s
    ORDER BY created_at, id LIMIT {PAGE_ROWS}
"""
_FIELDS = ("id", "created_at", "component", "environment", "message", "email")


def measure(bench: Bench) -> Part:
    """Measure all figures of this part."""
    history = QUICK if bench.pace.quick else FULL
    settings = bench.history(history)
    bench.empty_queue()
    key = make_key(settings)
    rounds = bench.pace.rounds
    with service(settings, workers=0) as ours:
        ours.http.headers["authorization"] = key
        pid = ours.apis[0].pid
        before = resident_mib(pid)
        rates = alternate(
            {
                "export": lambda: history.rows / _seconds_of_export(ours, key),
                "bare": lambda: history.rows / _seconds_of_bare(settings.database_url),
                "csv": lambda: history.rows / _seconds_of_export(ours, key, "format=csv"),
                "gzip": lambda: history.rows / _seconds_of_export(ours, key, coding="gzip"),
            },
            rounds,
        )
        grown = peak_resident_mib(pid) - before
        accepting = _beside(bench, ours, key)
    figures = [
        Figure("export_vs_bare", ratio(rates["export"], rates["bare"])),
        Figure("export_memory", spread([grown])),
        Figure("accept_beside_exports", ratio(accepting["beside"], accepting["alone"])),
    ]
    found = {**rates, **accepting}
    details = {name: {"per_second": spread(values).median} for name, values in found.items()}
    return Part("exporting", figures, details)


def _seconds_of_export(ours: Service, key: str, query: str = "", coding: str = "identity") -> float:
    """Download an export whole, and drop it. Raises if it breaks off."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection(urlsplit(ours.url).netloc, timeout=600)
    try:
        headers = {"authorization": key, "accept-encoding": coding}
        connection.request("GET", f"/events/export?{query}", headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"the export got {answer.status}")
        while answer.read(_READ_BYTES):
            pass
    finally:
        connection.close()
    return time.perf_counter() - start


def _seconds_of_bare(database_url: str) -> float:
    """Read the same pages with psycopg2, and write each row as JSON."""
    dsn = make_url(database_url).set(drivername="postgresql").render_as_string(False)
    connection = psycopg2.connect(dsn)
    encode = msgspec.json.Encoder().encode
    start = time.perf_counter()
    place = ("-infinity", "00000000-0000-0000-0000-000000000000", "-infinity")
    with connection.cursor() as cursor:
        while True:
            cursor.execute(_PAGE, place)
            rows = cursor.fetchall()
            connection.commit()
            if not rows:
                break
            lines = [
                encode({**dict(zip(_FIELDS, row[:6], strict=True)), "data": _raw(row[6])})
                for row in rows
            ]
            b"\n".join(lines)
            place = (rows[-1][1], rows[-1][0], rows[-1][1])
    connection.close()
    return time.perf_counter() - start


def _raw(text: str | None) -> msgspec.Raw:
    return msgspec.Raw((text or "null").encode())


def _beside(bench: Bench, ours: Service, key: str) -> dict[str, list[float]]:
    """Measure how many events a second are accepted, alone and beside exports."""
    requests = singles(bench.folder)

    def accept() -> float:
        bench.empty_queue()
        return run(ours.url, requests, _CONNECTIONS, bench.pace.seconds, key=key).rate

    def beside() -> float:
        with threads_beside(_EXPORTS, partial(_follow_always, ours, key)):
            return accept()

    return alternate({"alone": accept, "beside": beside}, bench.pace.rounds)


def _follow_always(ours: Service, key: str, stop: threading.Event) -> None:
    while not stop.is_set():
        with suppress(OSError, http.client.HTTPException):
            _follow(ours, key, stop)


def _follow(ours: Service, key: str, stop: threading.Event) -> None:
    """Read an export until it ends or is told to stop."""
    connection = http.client.HTTPConnection(urlsplit(ours.url).netloc, timeout=60)
    connection.request("GET", "/events/export", headers={"authorization": key})
    answer = connection.getresponse()
    while not stop.is_set() and answer.read(_READ_BYTES):
        pass
    connection.close()
