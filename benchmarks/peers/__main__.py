"""Measure beside the peers: `python -m benchmarks.peers [--quick]`; the table goes to stdout."""

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bench import FULL, QUICK, bench
from benchmarks.figures import WANTED
from benchmarks.load import LoadFailed, require_wrk
from benchmarks.peers.measure import measure
from benchmarks.peers.verdict import FIGURES
from benchmarks.report import report
from benchmarks.results import PEERS, gather, last_committed, write


def main() -> int:
    """Run the benchmark. Returns 0 when every system that could be installed was measured."""
    options = _options()
    data_dir = Path(options.data_dir).resolve()
    start = time.monotonic()
    try:
        require_wrk()
        with bench(data_dir, QUICK if options.quick else FULL) as running:
            part = measure(running, data_dir / "peers")
    except LoadFailed as error:
        print(error, file=sys.stderr)
        return 1
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    results = gather([part], options.quick, time.monotonic() - start, day, {})
    wanted = [one for one in WANTED if one.key in FIGURES.values()]
    print(report(results, last_committed(PEERS), wanted=wanted))
    for peer, why in part.unmeasured.items():
        print(f"{peer} was left out: {why}", file=sys.stderr)
    if not options.quick:
        write(PEERS, results)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds, and nothing is kept")
    parser.add_argument(
        "--data-dir", default=".bench", help="where servers and peers are kept (.bench)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
