"""Measure uncached queries: the time of each shape in the event store, without cache and HTTP."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Part
from benchmarks.history import History
from benchmarks.rounds import alternate, percentile, ratio, spread
from benchmarks.shapes import Samples, samples, shapes
from storage.errors import DatabaseUnavailable, QueryTooSlow
from storage.events.reader import EventStore
from storage.model.filters import Filters
from storage.postgres.engine import reading_engine

WARM_UP = 3
_SLOW_MS = 1_000.0  # a slower shape is asked only a few times
_SLOW_ROUNDS = 2
_ASKED_A_ROUND = 6

Times = dict[str, list[float]]


def measure(bench: Bench) -> Part:
    """Ask each shape several times, in turns; the first answers warm the caches."""
    history, rounds = bench.pace.read, bench.pace.rounds * _ASKED_A_ROUND
    settings = bench.history(history)
    store = EventStore(reading_engine(settings.database_url, 1))
    try:
        found = samples(store, history)
        first, times = _ask(store, found, history, rounds)
        deep = _deep(store, found, rounds)
    finally:
        store.close()
    return Part("reading", [*_figures(times), deep], _details(first, times))


def _ask(store: EventStore, found: Samples, history: History, rounds: int) -> tuple[Times, Times]:
    asked = shapes(found, history)
    first = {shape.name: [_milliseconds(store, shape.make(0))] for shape in asked}
    for shape in asked:
        if first[shape.name][0] < _SLOW_MS:
            first[shape.name] += [_milliseconds(store, shape.make(n)) for n in range(1, WARM_UP)]
    times: Times = {shape.name: [] for shape in asked}
    for number in range(rounds):
        for shape in asked:
            if number < _SLOW_ROUNDS or min(first[shape.name]) < _SLOW_MS:
                times[shape.name].append(_milliseconds(store, shape.make(number + WARM_UP)))
    return first, times


def _deep(store: EventStore, found: Samples, rounds: int) -> Figure:
    """Measure page 1,000 beside page 1, without filters."""
    turns = alternate(
        {
            "deep": lambda: _milliseconds(store, Filters(cursor=found.deep)),
            "first": lambda: _milliseconds(store, Filters()),
        },
        max(20, rounds),
    )
    return Figure("deep_page", ratio(turns["deep"], turns["first"]))


def _milliseconds(store: EventStore, filters: Filters) -> float:
    start = time.perf_counter()
    with suppress(QueryTooSlow, DatabaseUnavailable):  # it took the time of the limit
        store.page(filters)
    return (time.perf_counter() - start) * 1000


def _figures(times: Times) -> list[Figure]:
    """Return percentiles over all shapes with equal weights: slow ones were asked less often."""
    level = [percentile(found, share / 100) for found in times.values() for share in range(1, 101)]
    slowest = max(max(found) for found in times.values())
    return [
        Figure("query_p50", spread([percentile(level, 0.50)])),
        Figure("query_p99", spread([percentile(level, 0.99)])),
        Figure("query_max", spread([slowest])),
    ]


def _details(first: Times, times: Times) -> Mapping[str, Mapping[str, float]]:
    return {name: {**_of(found), "first_ms": first[name][0]} for name, found in times.items()}


def _of(found: Sequence[float]) -> dict[str, float]:
    return {
        "p50_ms": percentile(found, 0.50),
        "p99_ms": percentile(found, 0.99),
        "max_ms": max(found),
        "asked": len(found),
    }
