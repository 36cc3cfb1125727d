"""Whether the counts of the queue and of PostgreSQL agree. Pure."""

from collections.abc import Sequence

from storage.events.ledger import Ledger
from storage.queue.inspector import ShardState


def is_balanced(before: Sequence[ShardState], after: Sequence[ShardState], ledger: Ledger) -> bool:
    """Return whether the ledger lies within the counters of each shard, and equals idle ones.

    The counters are read before and after the ledger. At any time: trimmed before <= accounted <=
    accepted after, and all are equal while nothing is stored. PostgreSQL accounts for foreign
    entries too.
    """
    for old, new in zip(before, after, strict=False):
        account = ledger.accounts.get(old.shard)
        total = account.total if account else 0
        low, high = old.trimmed + old.foreign, new.accepted + new.foreign + new.foreign_backlog
        is_idle = old == new and not new.backlog
        if old.unaccounted or not low <= total <= high:
            return False
        if is_idle and total != low:
            return False
    return True
