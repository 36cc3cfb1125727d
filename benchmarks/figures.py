"""Define the goals and the measured figures. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.rounds import Spread


@dataclass(frozen=True, slots=True)
class Wanted:
    """One row of the table of goals; `key` names the figure that is compared with the goal."""

    key: str
    what: str
    bound: float
    sense: Literal["at least", "at most"]
    unit: str = ""

    def met(self, value: float) -> bool:
        """Return whether the value reaches the goal."""
        return value >= self.bound if self.sense == "at least" else value <= self.bound


WANTED = (
    Wanted(
        "accept_vs_echo",
        "single POST accepted, 64 connections, one API process, AOF always / bare uvicorn echo",
        0.50,
        "at least",
    ),
    Wanted("accept_vs_rq", "the same / FastAPI + one RQ job per event", 8, "at least"),
    Wanted(
        "batch_vs_single",
        "batch of 1,000 NDJSON, events/s / the same process's single POSTs",
        6,
        "at least",
    ),
    Wanted(
        "import_vs_batch",
        "imported/s, batches of 1,000 / the same as batches that are not imported",
        0.80,
        "at least",
    ),
    Wanted(
        "store_vs_copy",
        "stored/s by one drain / bare COPY, same table and indexes, 100,000 rows there",
        0.80,
        "at least",
    ),
    Wanted(
        "store_vs_copy_full", "the same, ten million rows there, over 30 days", 0.80, "at least"
    ),
    Wanted(
        "cpu_vs_mq_bridge",
        "CPU per event, accept + store, whole service / mq-bridge, same indexes",
        1.0,
        "at most",
    ),
    Wanted("cpu_faststream_vs_ours", "CPU per event, FastStream / ours", 4, "at least"),
    Wanted(
        "cached_vs_echo", "cached GET of 100 events / bare echo of the same body", 0.60, "at least"
    ),
    Wanted("query_p50", "uncached query shapes, p50", 15, "at most", "ms"),
    Wanted("query_p99", "uncached query shapes, p99", 100, "at most", "ms"),
    Wanted("query_max", "uncached query shapes, the slowest", 250, "at most", "ms"),
    Wanted(
        "store_full_vs_small",
        "stored/s at ten million rows over 30 days / at 100,000 in one",
        0.85,
        "at least",
    ),
    Wanted("store_day_vs_small", "the same, all ten million in one day", 0.85, "at least"),
    Wanted(
        "store_hours_vs_small", "the same, in one day and partitioned by hour", 0.85, "at least"
    ),
    Wanted(
        "count_5000",
        "stored/s by one drain with counts by hour / without, batches of 5,000",
        0.95,
        "at least",
    ),
    Wanted("count_1000", "the same, batches of 1,000", 0.90, "at least"),
    Wanted(
        "feed_5000",
        "stored/s by one drain with the feed / without, batches of 5,000",
        0.95,
        "at least",
    ),
    Wanted("feed_1000", "the same, batches of 1,000", 0.90, "at least"),
    Wanted("deep_page", "page 1,000 by cursor / page 1", 1.5, "at most"),
    Wanted("stats_p50", "statistics and facets of components, by HTTP, p50", 100, "at most", "ms"),
    Wanted("stats_vs_table", "counting the same in the table / that p50", 15, "at least"),
    Wanted("stats_repeat", "any other filter of statistics, asked again / first", 0.15, "at most"),
    Wanted("stats_longest", "the longest of these answers", 2200, "at most", "ms"),
    Wanted("accept_beside_stats", "accepted/s beside ten statistics / alone", 0.90, "at least"),
    Wanted("tail_p99", "20 tails at 1,000 events/s, after the commit, p99", 500, "at most", "ms"),
    Wanted("tail_cpu", "CPU of the API process per delivered event", 50, "at most", "µs"),
    Wanted("feed_idle", "a reading of the feed's ledger without news", 1, "at most", "ms"),
    Wanted(
        "export_vs_bare",
        "export of lines of JSON by HTTP / psycopg2 reading the same pages as JSON",
        0.60,
        "at least",
    ),
    Wanted("export_memory", "memory of the API process that exports add", 64, "at most", "MiB"),
    Wanted("accept_beside_exports", "accepted/s beside three exports / alone", 0.90, "at least"),
    Wanted("explore_first_rows", "explorer, cold load until the first rows", 1500, "at most", "ms"),
    Wanted("explore_filter", "explorer, change of a filter, p50", 300, "at most", "ms"),
    Wanted("explore_libraries", "explorer's libraries, compressed", 40, "at most", "KiB"),
    Wanted(
        "explore_files", "explorer's own files of a cold load, compressed", 40, "at most", "KiB"
    ),
    Wanted("lag_p50", "lag at half load, p50", 100, "at most", "ms"),
    Wanted("lag_p99", "lag at half load, p99", 1000, "at most", "ms"),
    Wanted("api_memory", "resident memory of an API process at full load", 120, "at most", "MiB"),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure."""

    key: str
    value: Spread


@dataclass(frozen=True, slots=True)
class Part:
    """The result of one measurement: the figures that count, and all others."""

    name: str
    figures: list[Figure]
    details: Mapping[str, Mapping[str, Any]]
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    """Keys of figures that could not be read, and why."""
