"""Observe how long each step of a drain's batch takes."""

from time import perf_counter_ns

from storage.metrics.instruments import drain_steps


class StepClock:
    """A clock that is read at the end of each step."""

    def __init__(self) -> None:
        self._start = perf_counter_ns()

    def ends(self, step: str) -> None:
        """Observe the time since the last step, under one of the catalogue's names."""
        now = perf_counter_ns()
        drain_steps[step].observe(now - self._start)
        self._start = now
