"""Judge the workers of a supervisor by its slots. Standard library only, as a probe needs it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cli.quantities import counted, duration
from storage.metrics.slot import STARTING, SlotReading
from worker.activities import NEWER_SCHEMA, REFUSED

STILL_SECONDS = 120.0  # without progress for this time, a worker is stuck
_SUPERVISES = "supervises workers: "


@dataclass(frozen=True)
class Health:
    """The result of a check: healthy or not, and one line that says why."""

    healthy: bool
    detail: str


@dataclass(frozen=True)
class WorkerStates:
    """The workers of one supervisor.

    `wanted`: how many it keeps alive. `states`: for each that runs, what it does, and when it began
    its last step, in seconds of the machine's monotonic clock.
    """

    wanted: int
    states: Sequence[tuple[str, float]]

    def problems(self, now: float) -> list[str]:
        """Return what is wrong with each of them at second `now` of that clock."""
        found = [
            f"worker-{number} {problem}"
            for number, state in enumerate(self.states)
            if (problem := _problem(*state, now))
        ]
        missing = self.wanted - len(self.states)
        if missing > 0:
            found.append(f"{missing} of {counted(self.wanted, 'worker')} do not run")
        return found


def supervises(workers: int) -> str:
    """Return the activity of a supervisor that keeps so many workers alive, for its slot."""
    return f"{_SUPERVISES}{workers}"


def states_in(readings: Iterable[SlotReading]) -> WorkerStates:
    """Return the workers in the slots of a supervisor."""
    wanted, states = 0, []
    for reading in readings:
        owner, progress = reading.owner, reading.progress
        if owner is None or progress is None:
            continue
        if owner.role == "worker":
            states.append((progress.activity or "busy", progress.moved))
        elif owner.role == "supervisor":
            wanted = _wanted(progress.activity or "")
    return WorkerStates(wanted, states)


def judge(supervisors: Sequence[WorkerStates], now: float, scope: str) -> Health:
    """Return whether all workers make progress. `scope` says in words whose workers they are."""
    problems = [problem for each in supervisors for problem in each.problems(now)]
    if problems:
        return Health(False, "; ".join(problems))
    states = [state for each in supervisors for state in each.states]
    activities = dict.fromkeys(activity for activity, _ in states)
    return Health(
        True, f"healthy, {counted(len(states), 'worker')} {scope}: {', '.join(activities)}"
    )


def _problem(activity: str, moved: float, now: float) -> str | None:
    if activity == STARTING:
        return "has not started yet"
    if activity == REFUSED:
        return "is refused by control: a wrong password or a missing right"
    if activity == NEWER_SCHEMA:
        return f"{activity}: its log says more"
    still = now - moved
    if still > STILL_SECONDS:
        return f"has made no progress for {duration(still)} ({activity})"
    return None


def _wanted(activity: str) -> int:
    number = activity.removeprefix(_SUPERVISES)
    return int(number) if number.isdecimal() else 0
