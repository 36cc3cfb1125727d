"""Measure: `python -m benchmarks [--quick] [--only PART,PART]`; the table goes to stdout."""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import (
    accepting,
    analysing,
    caching,
    counting,
    disk,
    exploring,
    exporting,
    feeding,
    following,
    importing,
    lag,
    reading,
    storing,
)
from benchmarks.bench import FULL, QUICK, Bench, bench
from benchmarks.figures import Part
from benchmarks.load import LoadFailed, require_wrk
from benchmarks.report import report
from benchmarks.results import PEERS, gather, last_committed, write

PARTS: dict[str, Callable[[Bench], Part]] = {
    "accepting": accepting.measure,
    "importing": importing.measure,
    "storing": storing.measure,
    "counting": counting.measure,
    "feeding": feeding.measure,
    "reading": reading.measure,
    "disk": disk.measure,
    "caching": caching.measure,
    "analysing": analysing.measure,
    "following": following.measure,
    "exporting": exporting.measure,
    "exploring": exploring.measure,
    "whole": lag.measure,
}
_RESULTS = Path("benchmarks/results")


def main() -> int:
    """Run the benchmarks. Returns 0 when everything could be measured, whatever the results are."""
    options = _options()
    try:
        require_wrk()
    except LoadFailed as error:
        print(error, file=sys.stderr)
        return 1
    start = time.monotonic()
    parts = []
    with bench(Path(options.data_dir).resolve(), QUICK if options.quick else FULL) as running:
        for name in options.only:
            print(f"{time.monotonic() - start:4.0f} s: {name} ...", file=sys.stderr, flush=True)
            parts.append(PARTS[name](running))
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    results = gather(parts, options.quick, time.monotonic() - start, day, _UNMEASURED)
    path = _RESULTS / ("quick.json" if options.quick else "full.json")
    print(report(results, last_committed(path), last_committed(PEERS)))
    if set(options.only) == set(PARTS):
        write(path, results)
    return 0


_PEERS = ("cpu_vs_mq_bridge", "cpu_faststream_vs_ours")
_UNMEASURED = dict.fromkeys(_PEERS, "peers are measured by `make bench-peers`")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few minutes instead of twenty")
    parser.add_argument("--only", type=_parts, default=list(PARTS), metavar="PART,PART")
    parser.add_argument(
        "--data-dir", default=".bench", help="where databases full of events are kept (.bench)"
    )
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: one of {', '.join(PARTS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
