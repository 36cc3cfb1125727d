"""Compute from measured µs and bytes what rates and numbers of events need.

`python -m benchmarks.sizing` writes the tables of docs/scaling.md.
"""

import sys
from collections.abc import Mapping
from math import ceil
from pathlib import Path

from benchmarks.report import markdown
from benchmarks.results import Results, read

RATES = (100, 10_000, 100_000, 1_000_000)  # events a second
NUMBERS = (10**8, 10**9, 10**10, 10**11)  # events that are kept
PLANNED = 0.6  # of a core that is in use; the rest is for peaks, and to catch up after an outage
DAY = 86_400  # seconds
FORMS = {"full load": "single posts", "full load, batches of 1,000": "batches of 1,000"}

PAGE = Path("docs/scaling.md")
RESULTS = Path("benchmarks/results/full.json")
BEGIN, END = "<!-- sizing: begin -->", "<!-- sizing: end -->"


def tables(results: Results) -> str:
    """Return what rates need, by form of posting, and what numbers of events take on disk."""
    loads, disk = results.details["whole"], results.details["disk"]["stored event"]
    stored = sum(disk[f"{part}_bytes"] for part in ("row", "index", "other"))
    parts = [f"From the run of {results.day}, commit {results.commit}."]
    for load, form in FORMS.items():
        parts += [f"#### {form[0].upper()}{form[1:]}", rates_table(loads[load], stored)]
    parts += ["#### Events that are kept", numbers_table(disk)]
    return "\n\n".join(parts)


def rates_table(cost: Mapping[str, float], stored: float) -> str:
    """Return what each rate needs. `cost`: per event; `stored`: bytes of a stored event."""
    head = ["events/s", "API", "workers", "queue", "PostgreSQL"]
    head += ["queue writes", "PostgreSQL's WAL", "disk a day"]
    return markdown(head, [_rate(rate, cost, stored) for rate in RATES])


def _rate(rate: int, cost: Mapping[str, float], stored: float) -> list[str]:
    cores = {
        role: rate * cost[f"{role}_cpu_us"] / 1e6 / PLANNED
        for role in ("api", "worker", "queue", "postgres")
    }
    return [
        f"{rate:,}",
        _processes(cores["api"]),
        _processes(cores["worker"]),
        _one_thread(cores["queue"]),
        f"{_short(cores['postgres'])} cores",
        f"{_bytes(rate * cost['queue_written_bytes'])}/s",
        f"{_bytes(rate * cost['postgres_wal_bytes'])}/s",
        _bytes(rate * DAY * stored),
    ]


def numbers_table(disk: Mapping[str, float]) -> str:
    """Return the disk space of each number of events, and in how many days they come."""
    rows = [
        [
            f"{number:,}",
            *(_bytes(number * disk[f"{part}_bytes"]) for part in ("row", "index", "other")),
            f"{_short(number / 10_000 / DAY)} days",
        ]
        for number in NUMBERS
    ]
    return markdown(["events", "rows", "indexes", "counts and n-grams", "at 10,000/s in"], rows)


def _processes(cores: float) -> str:
    count = ceil(cores)
    return f"{count:,} process" + ("es" if count > 1 else "")


def _one_thread(cores: float) -> str:
    """Say how much of the server's one thread is in use, with `PLANNED` as the whole of it."""
    if cores <= 1:
        return f"{cores * PLANNED:.0%} of one thread"
    return f"**not one server**: {ceil(cores):,} threads"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{_short(count)} {unit}"
        count /= 1000
    return f"{_short(count)} PB"


def _short(value: float) -> str:
    """Return two digits that count."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def written(page: str, tables: str) -> str:
    """Return the page with these tables between its marks. Raises ValueError without marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no {BEGIN} before {END}")
    return f"{before}{BEGIN}\n{tables}\n{END}{after}"


def main() -> int:
    """Write the tables into the page."""
    PAGE.write_text(written(PAGE.read_text(), tables(read(RESULTS))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
