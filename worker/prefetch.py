"""Reading a shard ahead: the next batch is made ready while PostgreSQL works on this one."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from storage.cache import tags
from storage.events.copy_format import copy_text
from storage.model.entries import EntryBatch
from storage.queue.lease import ShardLease
from worker.batch_size import BatchSize


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """A batch, and all that can be made of it before its transaction."""

    batch: EntryBatch
    text: bytes
    touched: set[str]
    oldest_ms: int  # 0 without any event
    full: bool  # as large as was asked for: more is likely to wait behind it


class Prefetcher:
    """A shard's batches in order, one at most beyond the one that is being stored.

    What was read ahead is only memory: entries stay on the shard until they are acknowledged,
    and nobody but the lease's holder takes any away. `goes_on` is asked before reading ahead.
    """

    def __init__(
        self, lease: ShardLease, size: BatchSize, max_bytes: int, goes_on: Callable[[], bool]
    ) -> None:
        self._lease = lease
        self._size = size
        self._max_bytes = max_bytes
        self._goes_on = goes_on
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
        """The next batch, None when there is none; the one behind it is then being read.

        Raises QueueUnavailable. The batch before must be acknowledged by now.
        """
        ahead, self._ahead = self._ahead, None
        ready = (ahead.result() if ahead else None) or self._read(None)
        if ready and ready.full and self._goes_on():
            self._ahead = self._thread.submit(self._read, ready.batch)
        return ready

    def _read(self, behind: EntryBatch | None) -> PreparedBatch | None:
        count = self._size.count
        batch = self._lease.read(count, self._max_bytes, behind)
        if batch is None:
            return None
        self._size.learn(len(batch.entries), batch.bytes)
        return PreparedBatch(
            batch,
            text=copy_text(batch.events),
            touched=tags.of_events(batch.events),
            oldest_ms=_oldest_ms(batch.ids),
            full=len(batch.entries) == count or batch.bytes >= self._max_bytes,
        )


def _oldest_ms(ids: Sequence[bytes]) -> int:
    return int.from_bytes(min(ids)[:6], "big") if ids else 0  # ids begin with their time
