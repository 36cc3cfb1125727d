"""What a drain stores of a batch while persons are erased: all but them, and what is held.

Legal holds are asked within the transaction of the batch, and only for a batch with something to
erase. Nobody adds or removes one until it ends, so what a hold touches stays once it is added. What
is kept is stored as it is: the erasure finds it in the tables, and waits there for the hold.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from storage.events.writer import BatchTransaction
from storage.model.entries import EntryBatch, Unreadable
from storage.model.erasing import Tombstone, erase, erase_unreadable
from storage.model.event import Event
from storage.retention.belongings import is_held
from storage.retention.holds import LegalHold, keep_unchanged, listed
from worker.prefetch import PreparedBatch


def without_persons(
    prepared: PreparedBatch,
    tombstones: Sequence[Tombstone],
    transaction: BatchTransaction,
    shard: int,
) -> PreparedBatch:
    """Return the batch without who is erased, but with what legal holds keep.

    Its entries that can't be read must be identified. Raises DBAPIError.
    """
    whole = prepared.batch
    batch = _erased(whole, tombstones, _Holds((), shard))
    if batch.erased is None and batch.unreadable == whole.unreadable:
        return prepared
    keep_unchanged(transaction.connection)
    if found := listed(transaction.connection):
        batch = _erased(whole, tombstones, _Holds(found, shard))
    return prepared.changed(batch)


class _Letter(NamedTuple):
    """The dead letter that an entry would become, as far as holds ask."""

    created_at: datetime
    event: bytes


class _Holds:
    """Whether one of these holds keeps something of the shard as it is."""

    def __init__(self, holds: Sequence[LegalHold], shard: int) -> None:
        self._holds = holds
        self._shard = shard

    def keep(self, event: Event) -> bool:
        created_at = datetime.fromisoformat(event.created_at)
        return any(hold.keeps(created_at, event.email) for hold in self._holds)

    def keep_entry(self, entry: Unreadable) -> bool:
        letter = _Letter(entry.letter_time(self._shard), entry.raw)
        return any(is_held(letter, hold) for hold in self._holds)


def _erased(batch: EntryBatch, tombstones: Sequence[Tombstone], holds: _Holds) -> EntryBatch:
    batch = erase(batch, tombstones, holds.keep)
    return erase_unreadable(batch, tombstones, holds.keep_entry) if batch.unreadable else batch
