"""The drain: the RQ job that empties one shard into PostgreSQL.

Each batch goes: read, claim the shard in PostgreSQL, insert, begin the cache write, COMMIT, end the
cache write, acknowledge to the queue. Killed between any two of them, the next drain reads the same
batch again: its rows are there already or not at all, pending tags and generations are set once
more, and only then is the batch forgotten. The batch after it is read meanwhile.
"""

import logging
import time
from contextlib import suppress
from functools import partial

from storage.errors import LeaseLost, StorageError
from storage.events.writer import Outcome
from storage.failures import log_failure, reason
from storage.model.entries import EntryBatch
from storage.queue.lease import ShardLease
from storage.redis.client import connect
from storage.settings import StorageSettings
from worker import liveness
from worker.heartbeat import Heartbeat
from worker.prefetch import Prefetcher, PreparedBatch
from worker.resources import Resources, resources

log = logging.getLogger(__name__)

POLL_MS = 50  # how often a lingering drain looks whether another one waits for its worker
SMALL = 0.1  # a batch below this share of the largest is worth waiting for the next a little


def drain(shard: int) -> str:
    """RQ's entry: drain a shard for a slice of time. Returns how it ended, for the log.

    Whatever else goes wrong, the shard pauses and says why; the sweeper tries again.
    """
    context = lease = None
    try:
        context = resources()
        lease = ShardLease(context.queue, shard, context.settings.lease_ms)
        return _drain(context, lease, shard)
    except LeaseLost as error:
        log.warning("%s", error)
        return "lost"
    except Exception as error:  # noqa: BLE001 - the shard must not stand still in silence
        _pause(context, lease, shard, error)
        return "paused"


def _drain(context: Resources, lease: ShardLease, shard: int) -> str:
    if not lease.acquire(context.writer.last_fence(shard)):
        return "busy"
    if lease.took_over:
        log.warning("shard %d: taking over from a drain that did not finish", shard)
    with Heartbeat(lease, context.settings.lease_ms):
        context.writer.terminate_stale_sessions(shard, lease.fence, lease.last_id)
        Drain(context, lease, shard).run()
    generation = lease.release()
    if generation:
        context.scheduler.enqueue(shard, generation)
    return "done"


def _pause(
    context: Resources | None, lease: ShardLease | None, shard: int, error: Exception
) -> None:
    """Record why. Not enqueued: the sweeper does, after a pause."""
    if context is None or lease is None:  # not even the connections could be made
        log_failure(log, logging.ERROR, f"shard {shard} waits", error)
        lease = ShardLease(connect(StorageSettings().queue_url), shard, lease_ms=0)
    else:
        context.failures.record(shard, error)
        context.size.start_over()
    with suppress(StorageError):
        lease.fail(reason(error))


class Drain:
    """One run over one shard, under a lease that has begun."""

    def __init__(self, context: Resources, lease: ShardLease, shard: int) -> None:
        self._context = context
        self._lease = lease
        self._shard = shard

    def run(self) -> None:
        """Store batch after batch until the shard stays empty, the slice ends, or others wait.

        Raises LeaseLost, or another StorageError when a server is away; nothing is lost by it.
        """
        context = self._context
        activity = f"shard {self._shard}"
        end = time.monotonic() + context.settings.slice_ms / 1000
        with Prefetcher(
            self._lease, context.size, context.settings.batch_bytes, self._goes_on
        ) as ahead:
            while not context.stopping.is_set():
                liveness.moved(activity)
                ready = ahead.next()
                if ready is None:
                    if not self._linger():
                        return
                    continue
                self._store(ready)
                if time.monotonic() > end or context.scheduler.waiting():
                    return
                if len(ready.batch.entries) < context.settings.batch_events * SMALL:
                    time.sleep(context.settings.gather_ms / 1000)

    def _goes_on(self) -> bool:
        return not self._context.stopping.is_set() and not self._context.scheduler.waiting()

    def _linger(self) -> bool:
        """Whether events arrive before it is time to go idle or to make way."""
        end = time.monotonic() + self._context.settings.linger_ms / 1000
        while time.monotonic() < end and not self._context.stopping.is_set():
            if self._context.scheduler.waiting():
                return False
            if self._lease.wait(POLL_MS):
                return True
        return False

    def _store(self, ready: PreparedBatch) -> None:
        batch, fence, invalidator = ready.batch, self._lease.fence, self._context.invalidator
        if batch.unreadable:
            batch = self._lease.identify(batch)
        self._context.writer.ensure_partitions(batch.events)
        with self._context.writer.batch(self._shard, fence) as transaction:
            find_foreign = partial(self._lease.find_foreign, batch)
            outcome = transaction.insert(batch.events, ready.text, find_foreign)
            dead = outcome.dead + transaction.add_dead_letters(batch.unreadable)
            transaction.record_counts(batch, outcome.stored, dead)
            if batch.events:
                invalidator.begin_write(self._shard, ready.oldest_ms, ready.touched, fence)
        if batch.events:
            invalidator.end_write(self._shard, ready.oldest_ms, ready.touched, fence)
        self._lease.acknowledge(batch)
        self._report(batch, outcome)

    def _report(self, batch: EntryBatch, outcome: Outcome) -> None:
        for refusal in outcome.refused:
            log.error("event %s is a dead letter: %s", refusal.event.id, refusal.reason)
        if batch.unreadable:
            first, count = batch.unreadable[0], len(batch.unreadable)
            place = f"shard {self._shard}, entry {first.entry.decode()}"
            log.error("%d entries are dead letters, the first: %s (%s)", count, first.reason, place)
