"""What runs of retention have found and removed: the one row of `retention_state`."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage.postgres.tables import retention_state
from storage.retention.plan import Plan, Policy


@dataclass(frozen=True, slots=True)
class RetentionState:
    """What the last run found, under its policy, and what all runs have removed.

    `ran_at`: None if none has run. `is_settled`: the last run left nothing that was due.
    `is_braked`: it stopped because too much was due. `due` and `held`: partitions that were left,
    to be removed and for holds. `excess_bytes`: over the budget with nothing that may be removed.
    `horizon`: the end of the latest removed partition; None if none was.
    """

    days: int | None
    disk_budget: int | None
    ran_at: datetime | None
    is_settled: bool
    is_braked: bool
    due: int
    held: int
    excess_bytes: int
    horizon: datetime | None
    partitions_removed: int
    rows_removed: int

    @property
    def policy(self) -> Policy:
        """Return the settings of the last run."""
        return Policy(self.days, self.disk_budget)

    def policy_for(self, given: Policy) -> Policy:
        """Return the settings of who asks; without any, those of the last run: the workers'."""
        return self.policy if given.is_off else given


_COLUMNS = [retention_state.c[name] for name in RetentionState.__dataclass_fields__]
_READ = sa.select(*_COLUMNS)


def read_state(connection: sa.Connection) -> RetentionState:
    """Return the state."""
    return RetentionState(*connection.execute(_READ).one())


def stops(plan: Plan, policy: Policy, state: RetentionState) -> bool:
    """Return whether a run must not remove so much by itself.

    One partition that has become due since a run with the same settings is what time brings: of a
    week that is kept, each day is more than a tenth.
    """
    is_usual = len(plan.due) == 1 and state.is_settled and state.policy == policy
    return plan.is_large and not is_usual


def record_run(
    connection: sa.Connection, policy: Policy, plan: Plan, *, due: int, is_braked: bool
) -> None:
    """Record what a run has found; `due`: partitions that it left."""
    connection.execute(
        retention_state.update().values(
            days=policy.days,
            disk_budget=policy.disk_budget,
            ran_at=sa.func.now(),
            is_settled=due == 0,
            is_braked=is_braked,
            due=due,
            held=len(plan.kept),
            excess_bytes=plan.excess_bytes,
        )
    )


def record_removal(connection: sa.Connection, end: datetime, rows: int) -> None:
    """Record that a partition is gone, in the transaction that drops it."""
    columns = retention_state.c
    connection.execute(
        retention_state.update().values(
            horizon=sa.func.greatest(columns.horizon, end),
            partitions_removed=columns.partitions_removed + 1,
            rows_removed=columns.rows_removed + rows,
        )
    )
