"""The ledger in PostgreSQL: what became of the events that left the queue."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage.postgres.engine import transaction
from storage.postgres.tables import dead_letters, drain_ledger


@dataclass(frozen=True, slots=True)
class Account:
    """What became of one shard's events since `since`; each is counted once."""

    shard: int
    stored: int
    duplicates: int
    dead: int
    since: datetime

    @property
    def total(self) -> int:
        """Count the events that are accounted for."""
        return self.stored + self.duplicates + self.dead


@dataclass(frozen=True, slots=True)
class Ledger:
    """The accounts by shard, and the number of dead letters."""

    accounts: dict[int, Account]
    dead_letters: int


def read_ledger(engine: sa.Engine) -> Ledger:
    """Read the accounts, and count the dead letters. Raises DatabaseUnavailable."""
    entries = drain_ledger.c
    columns = (entries.shard, entries.stored, entries.duplicates, entries.dead, entries.since)
    with transaction(engine) as connection:
        rows = connection.execute(sa.select(*columns)).all()
        letters = connection.scalar(sa.select(sa.func.count()).select_from(dead_letters))
    return Ledger({row.shard: Account(*row) for row in rows}, letters or 0)
