"""One run of retention: finish what an earlier one has left, then remove what is due.

One process at a time runs it, under an advisory lock of its session, which ends with the process.
Erasures hold the same lock while they look at events, and while they swap a partition. So a run
waits a moment for it: a part of an erasure is short, and the next one finds the lock taken.

The lock's session also detaches: whoever has lost the lock can't detach any more. The other steps
may be done twice. No transaction of a run makes partitions.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import redis
import sqlalchemy as sa

from storage.access.actor import actor as operating_system_user
from storage.cache.renewal import CacheRenewal
from storage.errors import RetentionStopped
from storage.postgres import locks
from storage.postgres.engine import outside_transaction, transaction
from storage.postgres.locks import Lock
from storage.retention.detaching import LIMITS, NO_LIMITS
from storage.retention.plan import MAX_PARTITIONS, MAX_SHARE, Plan, Policy, make_plan
from storage.retention.removal import Removal, Remover
from storage.retention.state import read_state, record_run, stops

WRITER = "retention"
"""The writer's name of its cache writes."""

_TURN_MS = 3_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """What a run did. `plan`: what it found after it had finished what was left.

    `removed`: partitions that are gone; `left`: those that somebody still reads. `is_braked`: it
    has removed nothing of the plan, because that is too much without a confirmation.
    """

    plan: Plan
    removed: list[Removal] = field(default_factory=list)
    left: list[Removal] = field(default_factory=list)
    is_braked: bool = False

    def require_done(self) -> None:
        """Check that nothing needs an operator. Raises RetentionStopped."""
        if self.is_braked:
            raise RetentionStopped(
                f"{len(self.plan.due)} partitions with {self.plan.share:.0%} of the rows are due, "
                f"and more than {MAX_PARTITIONS} partitions or {MAX_SHARE:.0%} are not removed "
                "without a confirmation: look at `activity retention show`, then "
                "`activity retention run --yes`"
            )
        if self.plan.excess_bytes:
            raise RetentionStopped(
                f"the database is {self.plan.excess_bytes:,} bytes over ACTIVITY_DISK_BUDGET, and "
                "no partition may be removed any more: events of the last 2 days and those under "
                "a legal hold stay"
            )


def run_retention(
    engine: sa.Engine,
    control: redis.Redis,
    policy: Policy,
    *,
    actor: str | None = None,
    is_confirmed: bool = False,
    stopping: Callable[[], bool] = bool,
) -> Run | None:
    """Run it once; None if another process does. The engine needs two connections.

    `is_confirmed`: however much is due. Raises DatabaseUnavailable, ControlUnavailable.
    """
    with outside_transaction(engine) as session:
        if not locks.acquire_for_session(session, Lock.RETENTION, _TURN_MS):
            return None
        try:
            session.exec_driver_sql(LIMITS)
            renewal = CacheRenewal(control, WRITER)
            remover = Remover(session, engine, renewal, actor or operating_system_user(), stopping)
            return _run(engine, remover, policy, is_confirmed)
        finally:
            if not session.invalidated:  # a session that is gone has no locks
                session.exec_driver_sql(NO_LIMITS)
                locks.release_for_session(session, Lock.RETENTION)


def _run(engine: sa.Engine, remover: Remover, policy: Policy, is_confirmed: bool) -> Run:
    unfinished = remover.unfinished()
    gone = [one for one in unfinished if remover.remove(one)]
    left = [one for one in unfinished if one not in gone and not remover.stays(one)]
    with transaction(engine) as connection:
        plan = make_plan(connection, policy)
        is_braked = stops(plan, policy, read_state(connection)) and not is_confirmed
    done = Run(plan, list(gone), list(left), is_braked)
    if not is_braked and not left:  # PostgreSQL detaches one at a time
        _remove_due(remover, done)
    with transaction(engine) as connection:
        due = len(left) + len(plan.due) - len(done.removed) + len(gone)
        record_run(connection, policy, plan, due=due, is_braked=is_braked)
    for removal in done.removed:
        log.info("retention has removed the partition %s", removal.name)
    return done


def _remove_due(remover: Remover, done: Run) -> None:
    """Remove what is due, the oldest first, until one can't be finished now."""
    for due in done.plan.due:
        removal = remover.announce(due)
        if not remover.remove(removal):
            done.left.append(removal)
            return
        done.removed.append(removal)
