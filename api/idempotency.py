"""`Idempotency-Key`: a producer may send a request again without it counting twice.

The record of a key is written in the same script as the event it guards, so there is no moment
at which one is on disk without the other. What is kept is the id: the same body gives the rest.
"""

from collections.abc import Callable
from hashlib import blake2b

from api.event_body import EventIn
from api.faults import Fault
from api.made import Made, make_event
from api.problems import Problem
from storage.event import now_ms
from storage.intake import Intake, Once

HEADER = "Idempotency-Key"
KEY_CHARACTERS = 255


class Idempotency:
    """Accepts one event for each key, across processes, for a day."""

    def __init__(self, intake: Intake, shards: int, wake: Callable[[int, int], None]) -> None:
        self._intake = intake
        self._shards = shards
        self._wake = wake
        self._under_way: set[str] = set()

    async def accept(self, keys: list[str], body: bytes, posted: EventIn) -> Made:
        """The event this key stands for: made now, or when the key was first seen.

        Raises Problem 422 for a bad key or one that came with another body, 409 while its first
        request is still under way; QueueUnavailable, QueueFull.
        """
        key = _the_key(keys)
        if key in self._under_way:
            detail = "The first request with this Idempotency-Key is still under way."
            raise Problem(409, detail, headers=((b"retry-after", b"1"),))
        self._under_way.add(key)
        try:
            return await self._accept(key, body, posted)
        finally:
            self._under_way.remove(key)

    async def _accept(self, key: str, body: bytes, posted: EventIn) -> Made:
        made = make_event(posted, now_ms())
        once = Once(_digest(key.encode()), _digest(body), made.raw_id)
        answer = await self._intake.append_once(once, made.created_ms, [made.raw_id, made.body])
        if isinstance(answer, bytes):
            return make_event(posted, int.from_bytes(answer[:6], "big"), answer)
        if answer:
            self._wake(once.shard(self._shards), answer)
        return made


def _the_key(keys: list[str]) -> str:
    key = keys[0].strip() if len(keys) == 1 else ""
    if not key or len(key) > KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
        fault = Fault(
            f"must be one key of 1 to {KEY_CHARACTERS} printable ASCII characters", header=HEADER
        )
        raise Problem(422, "The idempotency key can't be used.", [fault])
    return key


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()
