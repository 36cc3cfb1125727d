"""Which partitions retention removes: those past the age, then the oldest ones over the budget."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from storage.retention.holds import LegalHold, touched_by
from storage.retention.partition_sizes import Partition, attached, database_bytes

MIN_DAYS = 2
"""Whatever the settings say, events of so many days stay."""

MAX_PARTITIONS = 3
MAX_SHARE = 0.1
"""A run removes so many partitions, and this share of the rows, at most, unless it is told to."""

Cause = Literal["age", "budget"]

_NOW = sa.text("SELECT clock_timestamp()")
_COPIES = sa.text("SELECT EXISTS (SELECT FROM erasures WHERE step = 'files')")


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings: how many days events are kept, how many bytes the database may have.

    None: no limit.
    """

    days: int | None = None
    disk_budget: int | None = None

    @property
    def is_off(self) -> bool:
        """Return whether everything is kept."""
        return self.days is None and self.disk_budget is None


@dataclass(frozen=True, slots=True)
class Due:
    """A partition that must be removed, and why."""

    partition: Partition
    cause: Cause


@dataclass(frozen=True, slots=True)
class Kept:
    """A partition that would be due, but for these holds."""

    partition: Partition
    holds: Sequence[LegalHold]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do. `partitions`: all that there are; `bytes`: of the database.

    `excess_bytes`: by how much the database stays over its budget, because nothing more may be
    removed.
    """

    partitions: Sequence[Partition]
    bytes: int
    due: Sequence[Due]
    kept: Sequence[Kept]
    excess_bytes: int

    @property
    def rows(self) -> int:
        """Return about how many rows would be removed."""
        return sum(one.partition.rows for one in self.due)

    @property
    def share(self) -> float:
        """Return about which share of all rows would be removed."""
        return self.rows / max(1, sum(one.rows for one in self.partitions))

    @property
    def is_large(self) -> bool:
        """Return whether so much would be removed that the cause may be a mistake."""
        return len(self.due) > MAX_PARTITIONS or self.share > MAX_SHARE


def make_plan(connection: sa.Connection, policy: Policy, now: datetime | None = None) -> Plan:
    """Return what a run under this policy would do.

    `now`: by default the earlier of the clocks of this machine and of PostgreSQL. A clock that is
    ahead would remove what must stay. The budget waits while an erasure copies partitions: for room
    that is free again in a moment, nothing may be removed.
    """
    now = now or min(datetime.now(UTC), connection.scalars(_NOW).one())
    has_copies = connection.scalar(_COPIES)
    found, size = attached(connection), database_bytes(connection)
    has_copies = has_copies or connection.scalar(_COPIES)
    due: list[Due] = []
    kept: list[Kept] = []
    excess = 0 if policy.disk_budget is None or has_copies else size - policy.disk_budget
    for partition, is_old in _candidates(found, policy, now):
        if not is_old and excess <= 0:
            break
        if holds := touched_by(connection, partition.span, partition.sql):
            kept.append(Kept(partition, holds))
        else:
            due.append(Due(partition, "age" if is_old else "budget"))
            excess -= partition.bytes
    return Plan(found, size, due, kept, max(0, excess))


def _candidates(
    found: Sequence[Partition], policy: Policy, now: datetime
) -> Iterator[tuple[Partition, bool]]:
    """Yield what may be removed, the oldest first, and whether it is past the age."""
    cutoff = None if policy.days is None else now - timedelta(days=policy.days)
    for partition in found:
        end = partition.span[1]
        if cutoff is not None and end <= cutoff:
            yield partition, True
        elif policy.disk_budget is not None and end <= now - timedelta(days=MIN_DAYS):
            yield partition, False
