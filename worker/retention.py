"""Retention beside the workers: a run each minute, of one process at a time.

It is a thread like the other maintenance, and no job of RQ: a worker runs drains only.
"""

import redis
import sqlalchemy as sa

from storage.periodic import STOP_SECONDS, PeriodicThread
from storage.retention.plan import Policy
from storage.retention.run import run_retention
from worker.settings import WorkerSettings

PERIOD_SECONDS = 60
ACTOR = "retention"


class Retention(PeriodicThread):
    """A thread that runs retention at its start and then every PERIOD_SECONDS.

    It does so also without limits: it finishes what an earlier run has begun.
    """

    def __init__(self, engine: sa.Engine, control: redis.Redis, policy: Policy) -> None:
        super().__init__("retention", PERIOD_SECONDS, at_once=True)
        self._engine = engine
        self._control = control
        self._policy = policy

    def stop(self, seconds: float | None = STOP_SECONDS) -> None:
        """End the thread after the current round, and close the connections."""
        super().stop(seconds)
        self._control.close()
        self._engine.dispose()

    def run_once(self) -> None:
        """Remove what is due, unless another process does.

        Raises DatabaseUnavailable, ControlUnavailable, and RetentionStopped if an operator must
        decide.
        """
        run = run_retention(
            self._engine,
            self._control,
            self._policy,
            actor=ACTOR,
            stopping=self._stopping.is_set,
        )
        if run is not None:
            run.require_done()


def policy_of(settings: WorkerSettings) -> Policy:
    """Return what the settings ask for."""
    return Policy(settings.retention_days, settings.disk_budget)
