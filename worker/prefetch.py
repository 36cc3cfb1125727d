"""Read a shard ahead: prepare the next batch while PostgreSQL stores the present one."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType

from storage.cache.tags import of_events
from storage.events.copy_format import copy_text
from storage.model.entries import EntryBatch
from storage.queue.lease import ShardLease
from worker.batch_size import BatchSize


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """A batch, and everything that can be computed before its transaction.

    `text`: its events for COPY. `tags`: the cache tags that they change. `oldest_ms`: the earliest
    `created_at` (ms since the epoch), 0 without any event. `full`: the batch is as large as
    requested, so more entries are likely to follow.
    """

    batch: EntryBatch
    text: bytes
    tags: set[str]
    oldest_ms: int
    full: bool

    def changed(self, batch: EntryBatch) -> "PreparedBatch":
        """Return it with other events of the same entries."""
        text, tags = copy_text(batch.events), of_events(batch.events)
        return replace(self, batch=batch, text=text, tags=tags)


class Prefetcher:
    """A shard's batches in order; at most one is read ahead of the one that is being stored.

    Entries that are read ahead stay on the shard until they are acknowledged, and only the lease's
    holder removes entries. `may_continue` is called before reading ahead.
    """

    def __init__(
        self, lease: ShardLease, size: BatchSize, max_bytes: int, may_continue: Callable[[], bool]
    ) -> None:
        self._lease = lease
        self._size = size
        self._max_bytes = max_bytes
        self._may_continue = may_continue
        self._thread = ThreadPoolExecutor(1, "read-ahead")
        self._ahead: Future[PreparedBatch | None] | None = None

    def __enter__(self) -> "Prefetcher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def next(self) -> PreparedBatch | None:
        """Return the next batch, None if there is none, and begin to read the one after it.

        The previous batch must be acknowledged by now. Raises QueueUnavailable.
        """
        ahead, self._ahead = self._ahead, None
        prepared = (ahead.result() if ahead else None) or self._read(None)
        if prepared and prepared.full and self._may_continue():
            self._ahead = self._thread.submit(self._read, prepared.batch)
        return prepared

    def _read(self, behind: EntryBatch | None) -> PreparedBatch | None:
        count = self._size.count
        batch = self._lease.read(count, self._max_bytes, behind)
        if batch is None:
            return None
        self._size.learn(len(batch.entries), batch.bytes)
        return PreparedBatch(
            batch,
            text=copy_text(batch.events),
            tags=of_events(batch.events),
            oldest_ms=_oldest_ms(batch.ids),
            full=len(batch.entries) == count or batch.bytes >= self._max_bytes,
        )


def _oldest_ms(ids: Sequence[bytes]) -> int:
    return int.from_bytes(min(ids)[:6], "big") if ids else 0  # an ID begins with its time
