"""What PostgreSQL says became of the events it was given."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage.postgres.engine import transaction
from storage.postgres.tables import dead_letters, drain_ledger


@dataclass(frozen=True, slots=True)
class Account:
    """What became of one shard's events; each was counted once, however often it was read."""

    shard: int
    stored: int
    duplicates: int
    dead: int
    since: datetime

    @property
    def total(self) -> int:
        """Events accounted for."""
        return self.stored + self.duplicates + self.dead


@dataclass(frozen=True, slots=True)
class Ledger:
    """The accounts, and the dead letters that wait for a decision."""

    accounts: dict[int, Account]
    dead_letters: int


def read_ledger(engine: sa.Engine) -> Ledger:
    """Raises DatabaseUnavailable."""
    entries = drain_ledger.c
    columns = (entries.shard, entries.stored, entries.duplicates, entries.dead, entries.since)
    with transaction(engine) as connection:
        rows = connection.execute(sa.select(*columns)).all()
        waiting = connection.scalar(sa.select(sa.func.count()).select_from(dead_letters))
    return Ledger({row.shard: Account(*row) for row in rows}, waiting or 0)
