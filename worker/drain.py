"""The drain: the RQ job that empties one shard into PostgreSQL.

The steps of a batch are: read, claim the shard in PostgreSQL, insert, begin the cache write,
COMMIT, end the cache write, acknowledge to the queue. If a drain is killed between any two of them,
the next drain reads the same batch again: its rows are stored already or not at all, the pending
tags and generations are set once more, and only then does the batch leave the queue. While a batch
is stored, the next one is read.
"""

import logging
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial

from storage.errors import LeaseLost, SchemaTooNew, StorageError
from storage.events.writer import Outcome
from storage.failures import log_failure, reason
from storage.metrics.instruments import drain_batch_events
from storage.model.entries import EntryBatch
from storage.queue.lease import ShardLease
from storage.redis.client import connect
from storage.settings import StorageSettings
from storage.tracing import span
from worker.activities import draining, storing
from worker.erased_batch import without_persons
from worker.heartbeat import Heartbeat
from worker.prefetch import Prefetcher, PreparedBatch
from worker.progress import database_wait, report
from worker.resources import Resources, resources
from worker.step_clock import StepClock

log = logging.getLogger(__name__)

POLL_MS = 50  # how often a lingering drain checks whether another one waits for this worker
_SHARD = "activity.shard"
SMALL_SHARE = 0.1  # after a batch below this share of the largest, let events gather a little


def drain(shard: int) -> str:
    """Drain a shard for a slice of time, as RQ's job.

    Returns how it ended: `done`, `busy` (another drain has the lease), `lost` (another drain has
    taken over), `refused` (the tables are of a later version) or `paused` (any other failure). A
    failure is recorded with the shard, and the sweeper tries again.
    """
    context = lease = None
    try:
        context = resources()
        lease = ShardLease(context.queue, shard, context.settings.lease_ms)
        return drain_shard(context, lease, shard)
    except LeaseLost as error:
        log.warning("%s", error)
        return "lost"
    except SchemaTooNew as error:
        _pause(context, lease, shard, error)
        return "refused"
    except Exception as error:  # noqa: BLE001 - the reason must be recorded, whatever it is
        _pause(context, lease, shard, error)
        return "paused"


def drain_shard(context: Resources, lease: ShardLease, shard: int) -> str:
    """Drain a shard like `drain`, but raise what ends it early."""
    with database_wait.waiting(storing(shard)):
        last_fence = context.writer.last_fence(shard)
    if not lease.acquire(last_fence):
        return "busy"
    if lease.took_over:
        log.warning("shard %d: takes over from a drain that did not finish", shard)
    with Heartbeat(lease, context.settings.lease_ms):
        with database_wait.waiting(storing(shard)):
            context.writer.terminate_stale_sessions(shard, lease.fence, lease.last_id)
        with span("drain", {_SHARD: shard}):
            Drain(context, lease, shard).run()
    generation = lease.release()
    if generation:
        context.scheduler.enqueue(shard, generation)
    return "done"


def _pause(
    context: Resources | None, lease: ShardLease | None, shard: int, error: Exception
) -> None:
    """Log and record the failure. The sweeper enqueues the next drain, after a pause."""
    if context is None or lease is None:  # the process's resources could not be opened
        log_failure(log, logging.ERROR, f"shard {shard} waits", error)
        lease = ShardLease(connect(StorageSettings().queue_url), shard, lease_ms=0)
    else:
        context.failures.record(shard, error)
        context.size.start_over()
    with suppress(StorageError):
        lease.fail(reason(error))


class Drain:
    """One run over one shard, whose lease has been acquired."""

    def __init__(self, context: Resources, lease: ShardLease, shard: int) -> None:
        self._context = context
        self._lease = lease
        self._shard = shard

    def run(self) -> None:
        """Store batch after batch, until the shard stays empty, the slice ends, or others wait.

        Raises LeaseLost, or another StorageError if a server is unreachable. No event is lost.
        """
        context = self._context
        activity = draining(self._shard)
        end = time.monotonic() + context.settings.slice_ms / 1000
        with Prefetcher(
            self._lease, context.size, context.settings.batch_bytes, self._may_continue
        ) as batches:
            while not context.stopping.is_set():
                report(activity)
                began = time.monotonic()
                clock = StepClock()
                prepared = batches.next()
                if prepared is None:
                    if not self._linger():
                        return
                    continue
                clock.ends("read")
                self._store(prepared, clock)
                self._measure(prepared.batch, time.monotonic() - began)
                if time.monotonic() > end or context.scheduler.waiting():
                    return
                if len(prepared.batch.entries) < context.settings.batch_events * SMALL_SHARE:
                    time.sleep(context.settings.gather_ms / 1000)

    def _measure(self, batch: EntryBatch, seconds: float) -> None:
        events, settings = len(batch.entries), self._context.settings
        small = (
            events < settings.batch_events * SMALL_SHARE
            and batch.bytes < settings.batch_bytes * SMALL_SHARE
        )
        self._context.meter.add(events, seconds, small)

    def _may_continue(self) -> bool:
        return not self._context.stopping.is_set() and not self._context.scheduler.waiting()

    def _linger(self) -> bool:
        """Wait for more events. Return False once it is time to go idle or to make way."""
        end = time.monotonic() + self._context.settings.linger_ms / 1000
        while time.monotonic() < end and not self._context.stopping.is_set():
            if self._context.scheduler.waiting():
                return False
            if self._lease.wait(POLL_MS):
                return True
        return False

    def _store(self, prepared: PreparedBatch, clock: StepClock) -> None:
        with span("store batch", {_SHARD: self._shard}) as measured:
            measured.set_attribute("activity.batch.events", len(prepared.batch.events))
            outcome = self._store_batch(prepared, clock)
            measured.set_attribute("activity.batch.stored", outcome.stored)

    def _store_batch(self, prepared: PreparedBatch, clock: StepClock) -> Outcome:
        fence, oldest_ms = self._lease.fence, prepared.oldest_ms
        invalidator = self._context.invalidator
        if prepared.batch.unreadable:
            prepared = replace(prepared, batch=self._lease.identify(prepared.batch))
        with database_wait.waiting(storing(self._shard)):
            self._context.writer.ensure_partitions(prepared.batch.events)
            with self._context.writer.batch(self._shard, fence, oldest_ms) as transaction:
                if stones := self._lease.tombstones:
                    prepared = without_persons(prepared, stones, transaction, self._shard)
                batch, tags = prepared.batch, prepared.tags
                # A killed drain may have stored what this one erases.
                is_change = bool(batch.events or batch.erased)
                find_foreign = partial(self._lease.find_foreign, batch)
                outcome = transaction.insert(batch.events, prepared.text, find_foreign)
                dead = outcome.dead + transaction.add_dead_letters(batch.unreadable)
                transaction.record_counts(batch, outcome.stored, dead)
                clock.ends("insert")
                if is_change:
                    invalidator.begin_write(self._shard, oldest_ms, tags, fence)
                    clock.ends("begin_write")
        clock.ends("commit")
        if is_change:
            wal = self._context.writer.written_wal() if self._context.tells_wal else None
            invalidator.end_write(self._shard, oldest_ms, tags, fence, wal)
            clock.ends("end_write")
        self._lease.acknowledge(batch, self._context.meter.pace)
        clock.ends("acknowledge")
        drain_batch_events.observe(len(batch.entries))
        self._report(batch, outcome)
        return outcome

    def _report(self, batch: EntryBatch, outcome: Outcome) -> None:
        for refusal in outcome.refused:
            log.error("event %s becomes a dead letter: %s", refusal.event.id, refusal.reason)
        if batch.unreadable:
            first, count = batch.unreadable[0], len(batch.unreadable)
            place = f"shard {self._shard}, entry {first.entry.decode()}"
            log.error("%d dead letters, the first: %s (%s)", count, first.reason, place)
