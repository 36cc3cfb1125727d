"""`Idempotency-Key`: a producer may repeat a request, and its events are stored once.

The script that appends the events writes the key's record after them. A script that fails midway
removes its events again, so a record always has its events. The record keeps only the stamp that
the ids come from: the body of the repeated request gives the rest.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from api.http.error_detail import ErrorDetail
from api.http.problems import Problem
from api.ingest.stamping import StampedBatch, restamp
from storage.model.event import Stamp
from storage.queue.producer import Duplicate, IdempotencyRecord, QueuePosition, QueueProducer

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"  # set on a response that repeats the first one
KEY_CHARACTERS = 255


class RequestKey(NamedTuple):
    """A client's key, and a 16-byte digest of the request it came with."""

    key: str
    fingerprint: bytes


class Idempotency:
    """Accepts the events of one request per key, across processes, and remembers it for a day."""

    def __init__(
        self, producer: QueueProducer, shards: int, wake: Callable[[int, int], None]
    ) -> None:
        self._producer = producer
        self._shards = shards
        self._wake = wake
        self._under_way: set[str] = set()

    async def accept(
        self, key: RequestKey, stamped: StampedBatch, stamp: Stamp
    ) -> tuple[StampedBatch, QueuePosition, bool]:
        """Append the events unless the key is known; return the key's events and their position.

        The last value says whether they are those of an earlier request. `stamp` is what the ids
        were made from. Raises Problem 409 while the key's first request is under way; KeyReused,
        QueueUnavailable, QueueFull.
        """
        if key.key in self._under_way:
            detail = "The first request with this Idempotency-Key is still under way."
            raise Problem(409, detail, headers=((b"retry-after", b"1"),))
        self._under_way.add(key.key)
        try:
            return await self._accept(key, stamped, stamp)
        finally:
            self._under_way.remove(key.key)

    async def find(
        self, key: RequestKey, stamped: StampedBatch
    ) -> tuple[StampedBatch, QueuePosition, bool] | None:
        """Return what `accept` returns for a known key, None for a new one. Appends nothing."""
        record = IdempotencyRecord(digest(key.key.encode()), key.fingerprint, b"")
        answer = await self._producer.find_duplicate(record)
        return None if answer is None else _replayed(stamped, answer)

    async def _accept(
        self, key: RequestKey, stamped: StampedBatch, stamp: Stamp
    ) -> tuple[StampedBatch, QueuePosition, bool]:
        record = IdempotencyRecord(digest(key.key.encode()), key.fingerprint, stamp.pack())
        answer = await self._producer.append_idempotent(record, stamp.created_ms, stamped.items())
        if isinstance(answer, Duplicate):
            return _replayed(stamped, answer)
        if answer.generation:
            self._wake(answer.position.shard, answer.generation)
        return stamped, answer.position, False


def _replayed(
    stamped: StampedBatch, duplicate: Duplicate
) -> tuple[StampedBatch, QueuePosition, bool]:
    return restamp(stamped, Stamp.unpack(duplicate.answer)), duplicate.position, True


def parse_key(keys: Sequence[str]) -> str | None:
    """Return the key from the request's `Idempotency-Key` headers, or None. Raises Problem 422."""
    if not keys:
        return None
    key = keys[0].strip() if len(keys) == 1 else ""
    if not key or len(key) > KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
        error = ErrorDetail(
            f"must be one key of 1 to {KEY_CHARACTERS} printable ASCII characters", header=HEADER
        )
        raise Problem(422, "The idempotency key is not valid.", [error])
    return key


def digest(data: bytes) -> bytes:
    """Return the 16-byte digest of the data."""
    return blake2b(data, digest_size=16).digest()
