"""Measure how many events a second one API process imports, beside batches of the same events.

The events of an import are of the past year, in order of time, and each has an `import_id`. No
event is imported twice in a turn, and no worker runs, as where accepting is measured.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from benchmarks.accepting import Accepting, detail_of
from benchmarks.bench import Bench
from benchmarks.events import EventMaker
from benchmarks.figures import Figure, Part
from benchmarks.key import make_key
from benchmarks.load import Request, write_requests
from benchmarks.rounds import alternate, ratio
from testbed.service import service

SIZE = 1_000
CONNECTIONS = 8
_BATCHES_A_SECOND = 150  # more than a process accepts
_DAY = timedelta(days=1)


def measure(bench: Bench) -> Part:
    """Measure batches with and without their time, in turns."""
    batches = round(bench.pace.seconds * _BATCHES_A_SECOND)
    with ExitStack() as stack:
        settings = stack.enter_context(bench.servers.fresh())
        key = make_key(settings)
        ours = stack.enter_context(service(settings, workers=0))
        run = Accepting(bench, ours, key)
        run.watch(ours.apis[0].pid)
        for name, target in (("batch", "/events/batch"), ("import", "/events/batch?import=true")):
            requests = _requests(bench.folder / name, target, batches)
            run.add(f"{name}_{SIZE}", ours.url, requests, CONNECTIONS, SIZE)
        turns = alternate(run.measures, bench.pace.rounds)
    rates = {name: [turn.events_per_second for turn in found] for name, found in turns.items()}
    figure = Figure("import_vs_batch", ratio(rates[f"import_{SIZE}"], rates[f"batch_{SIZE}"]))
    return Part("importing", [figure], {name: detail_of(found) for name, found in turns.items()})


def _requests(path: Path, target: str, batches: int) -> Path:
    """Write requests with the same events; those of an import have their time and name."""
    bodies = _bodies(batches * SIZE, "import" in target)
    found = (
        Request("POST", target, b"\n".join(islice(bodies, SIZE)), "application/x-ndjson")
        for _ in range(batches)
    )
    return write_requests(path, found)


def _bodies(count: int, imports: bool) -> Iterator[bytes]:
    start, step = datetime.now(UTC) - 365 * _DAY, 360 * _DAY / count
    for number, made in enumerate(islice(EventMaker("imported"), count)):
        body = made.body()
        if imports:
            at = (start + number * step).isoformat(timespec="milliseconds")[:-6]
            more = json.dumps({"created_at": f"{at}Z", "import_id": f"{number}"}).encode()
            body = body[:-1] + b"," + more[1:]
        yield body
