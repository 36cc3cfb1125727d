"""Run `python -m tests.faults.chaos`. Exit status: 0 passed, 1 failed, 130 interrupted."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from tests.faults.chaos.kinds import Kind, kinds_of
from tests.faults.chaos.outside import QUEUES, SERVER, outside_queue
from tests.faults.chaos.programs import StackFailed
from tests.faults.chaos.report import render
from tests.faults.chaos.run import Options, run

FAILED, INTERRUPTED = 1, 130
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run, and print the report."""
    parser = _parser()
    options = parser.parse_args()
    replicas = _replicas(parser, options)
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt)
    chosen = Options(
        seconds=options.seconds,
        seed=options.seed,
        rate=options.rate,
        kinds=_kinds(parser, options),
        keep=options.keep,
        queue=options.queue,
        replicas=replicas,
    )
    try:
        with outside_queue(chosen.queue, replicas) as outside:
            result = run(chosen, lambda line: print(line, flush=True), outside)
    except StackFailed as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    report = render(result)
    print(report)
    if options.report:
        options.report.write_text(report)
    return FAILED if result.problems else 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Interrupt the run once; later signals do not stop the cleanup."""
    for each in STOP_SIGNALS:
        signal.signal(each, _ignore)
    raise KeyboardInterrupt


def _ignore(number: int, frame: FrameType | None) -> None:
    """Ignore a signal. Not SIG_IGN: Python fails on a signal that came just before that was set."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long to break (600)")
    parser.add_argument("--seed", type=int, default=7, help="which faults, and when (7)")
    parser.add_argument("--rate", type=int, default=1000, help="events posted a second (1000)")
    parser.add_argument("--report", type=Path, help="write the report to this file too")
    parser.add_argument("--keep", action="store_true", help="leave the data and logs in /tmp")
    parser.add_argument(
        "--queue", choices=QUEUES, default=SERVER, help="the kind of queue (server)"
    )
    parser.add_argument(
        "--replicas",
        type=int,
        metavar="N",
        help="replicas of a cluster, or under Sentinels, that must confirm an event (1); with 0 "
        "events may be lost, and what is lost must be told",
    )
    parser.add_argument(
        "--only",
        metavar="TEXT[,TEXT]",
        help="only the kinds whose names hold one of these (a wrong one lists the names)",
    )
    return parser


def _replicas(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.queue == SERVER:
        if options.replicas is not None:
            parser.error("--replicas has no effect on one server: add --queue")
        return 0
    return 1 if options.replicas is None else int(options.replicas)


def _kinds(parser: argparse.ArgumentParser, options: argparse.Namespace) -> list[Kind]:
    kinds = kinds_of(options.queue)
    parts = options.only.split(",") if options.only else [""]
    chosen = [kind for kind in kinds if any(part in kind.name for part in parts)]
    if not chosen:
        names = ", ".join(kind.name for kind in kinds)
        parser.error(f"no kind of fault is called {options.only!r}: {names}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
