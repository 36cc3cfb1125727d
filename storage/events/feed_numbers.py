"""Numbers of the feed: the writer and the transaction that stored an event.

Each writer of events has a row in `drain_ledger`. A transaction that stores events claims a number:
it adds 1 to the `batches` of its writer's row, which stays locked until the transaction ends. So
the numbers of one writer are in the order of commits: whoever sees number n + 1 sees all of n. A
transaction that is rolled back gives its number back. The columns' default of `events.feed` reads
the number from the session's setting `activity.feed`. Where a program has claimed none, the
default claims one of a row that no other transaction uses (`claim_feed_number`, migration 0006).
"""

import sqlalchemy as sa

_BITS = 48
REPLAY = 1 << 14
"""The row of replays of dead letters. Rows before it are shards, rows behind it of any program."""

ERASURES = (1 << 15) - 1
"""The row of erasures, whose batches are notices and no events."""

SET_NUMBER = f"set_config('activity.feed', ((shard::bigint << {_BITS}) | batches)::text, true)"
"""SQL that makes the number of a row's `batches` the one of the events of this transaction."""

_CLAIM = "INSERT INTO drain_ledger AS ledger (shard, fence, batches) VALUES (:writer, 0, 1) "
_CLAIM += "ON CONFLICT (shard) DO UPDATE SET batches = ledger.batches + 1 RETURNING " + SET_NUMBER

_KEEP = sa.text(
    "SELECT set_config('synchronous_commit', 'on', true) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)


def claim(connection: sa.Connection, writer: int) -> None:
    """Claim a number of the writer, which waits for its other transactions.

    The commit will be on disk before anybody sees it: a crash must not give the number twice.
    """
    connection.execute(_KEEP)
    connection.execute(sa.text(_CLAIM), {"writer": writer})


def number_of(writer: int, batch: int) -> int:
    """Return the number that the events of this batch have in `events.feed`."""
    return (writer << _BITS) | batch


def writer_and_batch(number: int) -> tuple[int, int]:
    """Return whose number it is, and of which batch."""
    return number >> _BITS, number & ((1 << _BITS) - 1)
