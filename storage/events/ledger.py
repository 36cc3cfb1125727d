"""The ledger in PostgreSQL: what became of the events that left the queue."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage.events import feed_numbers
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
    erased: int = 0

    @property
    def total(self) -> int:
        """Count the events that are accounted for."""
        return self.stored + self.duplicates + self.dead + self.erased


@dataclass(frozen=True, slots=True)
class Ledger:
    """The accounts by shard, and the number of dead letters."""

    accounts: dict[int, Account]
    dead_letters: int


def read_ledger(engine: sa.Engine) -> Ledger:
    """Read the accounts, and count the dead letters. Raises DatabaseUnavailable."""
    with transaction(engine) as connection:
        return ledger_in(connection)


def read_accounts(engine: sa.Engine) -> dict[int, Account]:
    """Read the accounts by shard. Raises DatabaseUnavailable."""
    with transaction(engine) as connection:
        return _accounts_in(connection)


def read_positions(engine: sa.Engine) -> dict[int, str]:
    """Read the last entry that each account has counted. Raises DatabaseUnavailable."""
    entries = drain_ledger.c
    with transaction(engine) as connection:
        rows = connection.execute(
            sa.select(entries.shard, entries.entry).where(entries.shard < feed_numbers.REPLAY)
        )
        return {row.shard: row.entry for row in rows}


def ledger_in(connection: sa.Connection) -> Ledger:
    """Read the accounts, and count the dead letters, in a transaction that runs already."""
    letters = connection.scalar(sa.select(sa.func.count()).select_from(dead_letters))
    return Ledger(_accounts_in(connection), letters or 0)


def _accounts_in(connection: sa.Connection) -> dict[int, Account]:
    entries = drain_ledger.c
    columns = (
        *(entries.shard, entries.stored, entries.duplicates, entries.dead, entries.since),
        entries.erased,
    )
    shards = sa.select(*columns).where(entries.shard < feed_numbers.REPLAY)
    rows = connection.execute(shards).all()
    return {row.shard: Account(*row) for row in rows}
