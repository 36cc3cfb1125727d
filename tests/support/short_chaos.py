"""Run the chaos on a queue of several servers for a short time: only what fails over."""

from collections.abc import Sequence
from dataclasses import replace

from tests.faults.chaos.kinds import kinds_of
from tests.faults.chaos.outside import Outside
from tests.faults.chaos.probe import DEADLINE_SECONDS
from tests.faults.chaos.report import render
from tests.faults.chaos.run import Options, run

SEED = 3
RATE = 100


def run_briefly(queue: str, outside: Outside, names: Sequence[str]) -> None:
    """Break each of these once, and assert that nothing acknowledged is lost or doubled."""
    kinds = [replace(kind, longest=kind.shortest) for kind in kinds_of(queue) if kind.name in names]
    # How quickly is for `make chaos` to say: other programs may keep both cores busy here.
    options = Options(0, SEED, RATE, kinds, DEADLINE_SECONDS, False, queue, outside.replicas)
    result = run(options, outside=outside)
    assert not result.problems, render(result)
    assert sorted(fault.kind for fault in result.faults) == sorted(names)
    assert result.verdict.comparison.acknowledged > RATE
