"""The sweeper: repeats the wake-ups of every shard, so that a lost one heals.

It runs in every API process and every supervisor of workers, without a leader.
"""

from storage.periodic import PeriodicThread
from storage.queue.scheduler import DrainScheduler

SWEEP_SECONDS = 0.25


class Sweeper(PeriodicThread):
    """A thread that sweeps every SWEEP_SECONDS until it is stopped."""

    def __init__(self, scheduler: DrainScheduler) -> None:
        super().__init__("sweeper", SWEEP_SECONDS)
        self._scheduler = scheduler

    def run_once(self) -> None:
        """Sweep once. Raises QueueUnavailable, ControlUnavailable."""
        self._scheduler.sweep()
