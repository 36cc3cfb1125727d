"""`Idempotency-Key`: a producer may send a request again without it counting twice.

The record of a key is written in the same script as the events it guards, and after them: a script
that fails midway takes its events back, so no record stands for events that are not there. What is
kept is the stamp that the ids come from: the same body gives the rest.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from api.http.error_detail import ErrorDetail
from api.http.problems import Problem
from api.ingest.stamping import StampedBatch, restamped
from storage.model.event import Stamp
from storage.queue.producer import Duplicate, IdempotencyRecord, QueuePosition, QueueProducer

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"  # on an answer that repeats the first request's
KEY_CHARACTERS = 255


class RequestKey(NamedTuple):
    """A client's key, and 16 bytes that stand for the request it came with."""

    key: str
    fingerprint: bytes


class Idempotency:
    """Accepts the events of one request for each key, across processes, for a day."""

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
        """The events this key stands for: these, or those of when the key was first seen; and
        whether they are the latter.

        `stamp` is what they were made with. Raises Problem 409 while the key's first request is
        still under way; KeyReused, QueueUnavailable, QueueFull.
        """
        if key.key in self._under_way:
            detail = "The first request with this Idempotency-Key is still under way."
            raise Problem(409, detail, headers=((b"retry-after", b"1"),))
        self._under_way.add(key.key)
        try:
            return await self._accept(key, stamped, stamp)
        finally:
            self._under_way.remove(key.key)

    async def _accept(
        self, key: RequestKey, stamped: StampedBatch, stamp: Stamp
    ) -> tuple[StampedBatch, QueuePosition, bool]:
        record = IdempotencyRecord(digest(key.key.encode()), key.fingerprint, stamp.pack())
        answer = await self._producer.append_idempotent(record, stamp.created_ms, stamped.items())
        if isinstance(answer, Duplicate):
            return restamped(stamped, Stamp.unpack(answer.answer)), answer.position, True
        if answer.generation:
            self._wake(answer.position.shard, answer.generation)
        return stamped, answer.position, False


def the_key(keys: Sequence[str]) -> str | None:
    """The key of a request's headers of that name, None without any. Raises Problem 422."""
    if not keys:
        return None
    key = keys[0].strip() if len(keys) == 1 else ""
    if not key or len(key) > KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
        fault = ErrorDetail(
            f"must be one key of 1 to {KEY_CHARACTERS} printable ASCII characters", header=HEADER
        )
        raise Problem(422, "The idempotency key can't be used.", [fault])
    return key


def digest(data: bytes) -> bytes:
    """16 bytes that stand for these."""
    return blake2b(data, digest_size=16).digest()
