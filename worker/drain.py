"""The drain: the RQ job that empties one shard into PostgreSQL.

Each batch goes: read, claim the shard in PostgreSQL, insert, mark the cache, COMMIT, publish to
the cache, acknowledge to the queue. Killed between any two of them, the next drain reads the
same batch again: its rows are there already or not at all, marks and generations are set once
more, and only then is the batch forgotten.
"""

import logging
import time
from contextlib import suppress

from storage import buckets
from storage.batch_writer import Outcome
from storage.errors import LeaseLost, StorageError
from storage.event import created_ms
from storage.shard_lease import Batch, ShardLease
from worker.heartbeat import Heartbeat
from worker.resources import Resources, resources

log = logging.getLogger(__name__)

LOOK_MS = 50  # how often a lingering drain looks whether another one waits for its worker
SMALL = 0.1  # a batch below this share of the largest is worth waiting for the next a little


def drain(shard: int) -> str:
    """RQ's entry: drain a shard for a slice of time. Returns how it ended, for the log."""
    kept = resources()
    lease = ShardLease(kept.queue, shard, kept.settings.lease_ms)
    try:
        if not lease.begin(kept.writer.last_fence(shard)):
            return "busy"
        if lease.took_over:
            log.warning("shard %d: taking over from a drain that did not finish", shard)
        with Heartbeat(lease, kept.settings.lease_ms):
            kept.writer.cut_off(shard)
            Drain(kept, lease, shard).run()
        _pass_on(kept, lease, shard)
    except LeaseLost as error:
        log.warning("%s", error)
        return "lost"
    except StorageError as error:
        log.error("shard %d waits: %s", shard, error)
        kept.size.start_over()
        with suppress(StorageError):
            lease.finish(str(error))  # not enqueued: the sweeper does, after a pause
        return "paused"
    return "done"


def _pass_on(kept: Resources, lease: ShardLease, shard: int) -> None:
    generation = lease.finish()
    if generation:
        kept.waker.enqueue(shard, generation)


class Drain:
    """One run over one shard, under a lease that has begun."""

    def __init__(self, kept: Resources, lease: ShardLease, shard: int) -> None:
        self._kept = kept
        self._lease = lease
        self._shard = shard

    def run(self) -> None:
        """Store batch after batch until the shard stays empty, the slice ends, or others wait.

        Raises LeaseLost, or another StorageError when a server is away; nothing is lost by it.
        """
        end = time.monotonic() + self._kept.settings.slice_ms / 1000
        while not self._kept.stopping.is_set():
            batch = self._lease.read(self._kept.size.count, self._kept.settings.batch_bytes)
            if batch is None:
                if not self._linger():
                    return
                continue
            self._store(batch)
            if time.monotonic() > end or self._kept.waker.waiting():
                return
            if len(batch.events) < self._kept.settings.batch_events * SMALL:
                time.sleep(self._kept.settings.gather_ms / 1000)

    def _linger(self) -> bool:
        """Whether events arrive before it is time to go idle or to make way."""
        end = time.monotonic() + self._kept.settings.linger_ms / 1000
        while time.monotonic() < end and not self._kept.stopping.is_set():
            if self._kept.waker.waiting():
                return False
            if self._lease.wait(LOOK_MS):
                return True
        return False

    def _store(self, batch: Batch) -> None:
        touched = buckets.of_events(batch.events)
        oldest_ms = min(map(created_ms, batch.events))
        self._kept.writer.make_room(batch.events)
        with self._kept.writer.batch(self._shard, self._lease.fence) as transaction:
            outcome = transaction.insert(batch.events)
            transaction.account(batch, outcome)
            self._kept.generations.mark(self._shard, oldest_ms, touched, self._lease.fence)
        self._kept.generations.publish(self._shard, oldest_ms, touched, self._lease.fence)
        self._lease.acknowledge(batch)
        self._kept.size.learn(len(batch.events), batch.bytes)
        self._report(outcome)

    def _report(self, outcome: Outcome) -> None:
        for refusal in outcome.refused:
            log.error("event %s is a dead letter: %s", refusal.event.id, refusal.reason)
