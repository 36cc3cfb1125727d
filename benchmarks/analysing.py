"""Measure statistics and facets over HTTP, beside counting the table, and accepting beside them."""

import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import httpx
import sqlalchemy as sa

from benchmarks.accepting import singles
from benchmarks.bench import Bench
from benchmarks.figures import Figure, Part
from benchmarks.history import FIRST_DAY
from benchmarks.key import make_key
from benchmarks.load import run
from benchmarks.rounds import alternate, percentile, ratio, spread
from benchmarks.threads import threads_beside
from storage.postgres.engine import counting_engine, transaction
from testbed.service import Service, service

_HOURS: dict[str, dict[str, Any]] = {
    "stats": {"interval": "day", "group_by": "component"},
    "facets": {"field": ["component", "environment"]},
}
_TABLE = sa.text(
    "SELECT date_trunc('day', created_at), component, environment, count(*) FROM events "
    "GROUP BY 1, 2, 3"
)
_ASKED = 5  # times a round: the counts by hour, which take milliseconds
_ASKING = 10  # clients at the same time
_CONNECTIONS = 64

Query = dict[str, Any]


def measure(bench: Bench) -> Part:
    """Measure all figures of this part, on the history that is read."""
    settings = bench.history(bench.pace.read)
    bench.empty_queue()
    key = make_key(settings)
    with service(settings, workers=0, cache_grace_ms=0) as ours:
        ours.http.headers["authorization"] = key
        asking = _Asking(bench, ours, key)
        hours = asking.hours(settings.database_url)
        first, again = asking.repeats()
        accepting = asking.beside()
    told = [ms for name in _HOURS for ms in hours[name]]
    longest = max(asking.answers)
    figures = [
        Figure("stats_p50", spread([percentile(told, 0.5)])),
        Figure("stats_vs_table", spread([percentile(hours["table"], 0.5) / percentile(told, 0.5)])),
        Figure("stats_repeat", ratio(again, first)),
        Figure("stats_longest", spread([longest])),
        Figure("accept_beside_stats", ratio(accepting["beside"], accepting["alone"])),
    ]
    times = {**hours, "first": first, "repeat": again}
    details = {name: {"p50_ms": percentile(found, 0.5)} for name, found in times.items()}
    rates = {name: {"per_second": spread(found).median} for name, found in accepting.items()}
    return Part("analysing", figures, {**details, **rates})


class _Asking:
    """Asks one service; `answers` are the milliseconds of every answer of it alone."""

    def __init__(self, bench: Bench, ours: Service, key: str) -> None:
        self._bench = bench
        self._ours = ours
        self._key = key
        self._numbers = count()
        self.answers: list[float] = []
        end = bench.pace.read.end.isoformat()
        self._window = {"from_date": FIRST_DAY.isoformat(), "to_date": end}

    def hours(self, database_url: str) -> dict[str, list[float]]:
        """Measure what the counts by hour answer, beside counting the same in the table."""
        engine = counting_engine(database_url, 1)

        def table() -> float:
            start = time.perf_counter()
            with transaction(engine) as connection:
                for limit in ("statement_timeout", "transaction_timeout"):
                    connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
                connection.execute(_TABLE).all()
            return (time.perf_counter() - start) * 1000

        def asked(name: str) -> Callable[[], list[float]]:
            query = {**_HOURS[name], **self._window}
            return lambda: [self._ask(self._ours.http, name, query)[0] for _ in range(_ASKED)]

        measures = {name: asked(name) for name in _HOURS}
        for measure_once in measures.values():
            measure_once()  # the first answers warm the caches
        found = alternate({**measures, "table": lambda: [table()]}, self._bench.pace.rounds)
        engine.dispose()
        return {name: [ms for turn in turns for ms in turn] for name, turns in found.items()}

    def repeats(self) -> tuple[list[float], list[float]]:
        """Measure questions that only the table answers: the whole of each, then once more."""
        first, again = [], []
        for _ in range(self._bench.pace.rounds):
            query = {**self._new(), **self._window}
            first.append(self._whole(query))
            self._whole(query)  # keeps the days in which a budget has ended
            again.append(self._whole(query))
        return first, again

    def beside(self) -> dict[str, list[float]]:
        """Measure how many events a second are accepted, alone and beside ten who ask."""
        requests = singles(self._bench.folder)

        def accept() -> float:
            self._bench.empty_queue()
            seconds = self._bench.pace.seconds
            return run(self._ours.url, requests, _CONNECTIONS, seconds, key=self._key).rate

        def beside() -> float:
            with threads_beside(_ASKING, self._until):
                return accept()

        return alternate({"alone": accept, "beside": beside}, self._bench.pace.rounds)

    def _new(self) -> Query:
        """Return a question that nobody has asked."""
        return {"interval": "day", "-message": f"absent {next(self._numbers)}"}

    def _whole(self, query: Query) -> float:
        """Return the milliseconds of all answers, following `next`."""
        took, place = 0.0, ""
        while True:
            ms, answer = self._ask(self._ours.http, "stats", {**query, "next": place})
            took, place = took + ms, answer["next"]
            if not place:
                return took

    def _ask(self, http: httpx.Client, name: str, query: Query) -> tuple[float, Any]:
        start = time.perf_counter()
        answer = http.get(f"/events/{name}", params=query, timeout=60).raise_for_status().json()
        ms = (time.perf_counter() - start) * 1000
        self.answers.append(ms)
        return ms, answer

    def _until(self, stop: threading.Event) -> None:
        headers = {"authorization": self._key}
        with httpx.Client(base_url=self._ours.url, headers=headers, trust_env=False) as http:
            while not stop.is_set():
                http.get("/events/stats", params={**self._new(), **self._window}, timeout=60)
