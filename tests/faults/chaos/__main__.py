"""Run `python -m tests.faults.chaos`. Exit status: 0 passed, 1 failed, 130 interrupted."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from tests.faults.chaos.kinds import KINDS, Kind
from tests.faults.chaos.programs import StackFailed
from tests.faults.chaos.report import render
from tests.faults.chaos.run import Options, run

FAILED, INTERRUPTED = 1, 130
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run, and print the report."""
    options = _parser().parse_args()
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt)
    chosen = Options(options.seconds, options.seed, options.rate, options.only, options.keep)
    try:
        result = run(chosen, lambda line: print(line, flush=True))
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
    names = ", ".join(kind.name for kind in KINDS)
    parser = argparse.ArgumentParser("python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long to break (600)")
    parser.add_argument("--seed", type=int, default=7, help="which faults, and when (7)")
    parser.add_argument("--rate", type=int, default=1000, help="events posted a second (1000)")
    parser.add_argument("--report", type=Path, help="write the report to this file too")
    parser.add_argument("--keep", action="store_true", help="leave the data and logs in /tmp")
    parser.add_argument(
        "--only",
        type=_kinds,
        default=tuple(KINDS),
        metavar="TEXT[,TEXT]",
        help=f"only the kinds whose names hold one of these: {names}",
    )
    return parser


def _kinds(text: str) -> tuple[Kind, ...]:
    chosen = tuple(kind for kind in KINDS if any(part in kind.name for part in text.split(",")))
    if not chosen:
        raise argparse.ArgumentTypeError(f"no kind of fault is called {text!r}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
