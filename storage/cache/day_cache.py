"""Counts of closed days on control, under the same proof as closed pages.

A day is closed if it ends before the watermark: no event should still fall into it. What is kept of
it stays valid until one does; that raises the generation `closed` (storage/cache/page_cache.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from redis.exceptions import OutOfMemoryError

from storage.cache.page_cache import ANSWER_SECONDS, GRACE_MS
from storage.errors import ControlUnavailable
from storage.redis import keys
from storage.redis.client import connect
from storage.redis.script_runner import run
from storage.server_errors import control_errors

MAX_DAY_BYTES = 1024 * 1024  # more is not kept of a day
LOOKUP_DAYS = 32  # in one call, which control runs as one step
_KEEP_BYTES = 4 * 1024 * 1024  # in one call
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class _Proof:
    generations: bytes
    watermark_ms: int


class DayCache:
    """What is kept of days, which are numbered from 1970. Threads may share it."""

    def __init__(self, control_url: str, ttl_seconds: int, grace_ms: int = GRACE_MS) -> None:
        self._client = connect(control_url, ANSWER_SECONDS)
        self._ttl_ms = ttl_seconds * 1000
        self._grace_us = grace_ms * 1000

    def open(self, digest: str, watermark_ms: int) -> "Days":
        """Return the days of a question. Call it before the events are read.

        `watermark_ms`: everything created before it (ms since the epoch) is stored; 0 if unknown.
        """
        return Days(self, digest, watermark_ms)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def lookup(self, names: Sequence[str], watermark_ms: int) -> list[bytes | int | None]:
        """Return the generations, the watermark, and what is valid of these keys.

        Raises ControlUnavailable.
        """
        with control_errors():
            answer: list[bytes | int | None] = run(
                self._client,
                "cache/lookup_days",
                [keys.GENERATIONS, keys.PENDING_WRITERS, *names],
                [self._grace_us, watermark_ms],
            )
        return answer

    def keep(self, generations: bytes, bodies: Mapping[str, bytes]) -> None:
        """Keep what was read under these generations. Raises ControlUnavailable."""
        with control_errors(), suppress(OutOfMemoryError):
            run(
                self._client,
                "cache/keep_days",
                list(bodies),
                [generations, self._ttl_ms, *bodies.values()],
            )


class Days:
    """What is kept of the days of one question, for one count. Without control it is nothing."""

    def __init__(self, cache: DayCache, digest: str, watermark_ms: int) -> None:
        self._cache = cache
        self._digest = digest
        self._pending: dict[str, bytes] = {}
        self._is_away = False
        self._proof: _Proof | None = None
        self._open(watermark_ms)

    def kept(self, days: Sequence[int]) -> dict[int, bytes]:
        """Return what is valid of at most LOOKUP_DAYS days."""
        answer = self._lookup([keys.day(self._digest, day) for day in days], 0)
        bodies = answer[2:] if answer else []
        return {
            day: body for day, body in zip(days, bodies, strict=False) if isinstance(body, bytes)
        }

    @property
    def closed(self) -> int:
        """The first day that is not closed; 0 if it is not known which days are."""
        return self._proof.watermark_ms // _DAY_MS if self._proof else 0

    def keep(self, day: int, body: bytes) -> None:
        """Keep this of a closed day, now or with the next call of `flush`."""
        if day < self.closed and len(body) <= MAX_DAY_BYTES:
            self._pending[keys.day(self._digest, day)] = body
            if _is_large(self._pending.values()):
                self.flush()

    def flush(self) -> None:
        """Send what is not sent yet."""
        if self._pending and self._proof and not self._is_away:
            try:
                self._cache.keep(self._proof.generations, self._pending)
            except ControlUnavailable:
                self._is_away = True
        self._pending.clear()

    def _open(self, watermark_ms: int) -> None:
        match self._lookup([], watermark_ms):
            case [bytes(generations), int(watermark_ms), *_] if generations != b"none":
                self._proof = _Proof(generations, watermark_ms)

    def _lookup(self, names: Sequence[str], watermark_ms: int) -> list[bytes | int | None]:
        """Return the answer of control, nothing if it is away; then ask it no more."""
        if self._is_away:
            return []
        try:
            return self._cache.lookup(names, watermark_ms)
        except ControlUnavailable:
            self._is_away = True
            return []


def _is_large(bodies: Iterable[bytes]) -> bool:
    sizes = [len(body) for body in bodies]
    return sum(sizes) > _KEEP_BYTES or len(sizes) >= LOOKUP_DAYS
