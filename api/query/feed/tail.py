"""One event stream of the feed: what it sends, and when."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from time import monotonic, time

import msgspec

from api.auth.principal import Principal
from api.http.problems import FEED_REPLACED
from api.query.feed import sse
from api.query.feed.follower import Follower
from api.query.feed.rendering import At, Chunk
from api.query.feed.tokens import token_of
from api.query.lag import Lag
from storage.errors import FeedReplaced, StorageError
from storage.feed.position import Position
from storage.metrics.instruments import feed_events

AT_SECONDS = 1.0

_TROUBLE = "Events can't be read right now. The stream goes on when they can; nothing is missed."
_GONE = msgspec.json.encode({"status": 410, "detail": FEED_REPLACED})

Read = Callable[[Position], Awaitable[Chunk]]


class Tail:
    """A stream that begins behind `position`. It reads at the pace at which its client does.

    `read` returns the chunk behind a position. Raises StorageError, FeedReplaced.
    """

    def __init__(
        self, position: Position, read: Read, follower: Follower, principal: Principal, lag: Lag
    ) -> None:
        self._position = position
        self._read = read
        self._follower = follower
        self._principal = principal
        self._lag = lag
        self._behind: int | None = None  # as the last chunk told
        self._has_failed = False  # since the last `at`
        self._at_due = 0.0
        self._reading: asyncio.Future[Chunk] | None = None

    async def frames(self, first: bytes = b"") -> AsyncGenerator[bytes]:
        """Yield what is sent, after `first`, until following ends, or the key does."""
        try:
            yield sse.RETRY + first + self._at()
            with self._follower.following():
                while self._goes_on:
                    if frames := await self._next():
                        yield frames
            yield sse.RETRY
        except FeedReplaced:
            yield sse.named(sse.GONE, _GONE)
        finally:
            if self._reading is not None:
                self._reading.cancel()

    @property
    def _goes_on(self) -> bool:
        return not self._follower.is_ended and time() < self._principal.ends_at

    async def _next(self) -> bytes:
        """Return what there is to send; wait for it until the next `at` is due."""
        left = max(0.0, self._at_due - monotonic())
        is_to_read = self._reading or self._follower.is_behind(self._position)
        if is_to_read and not self._has_failed:
            frames = await self._chunk(left)
        else:
            await self._follower.wait(left)
            frames = b""
        return frames + self._at() if monotonic() >= self._at_due else frames

    async def _chunk(self, seconds: float) -> bytes:
        """Return the next chunk, nothing if it takes longer, or can't be read now."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read(self._position))
            self._reading.add_done_callback(_mark_retrieved)
        await asyncio.wait([self._reading], timeout=seconds)
        if not self._reading.done():
            return b""
        reading, self._reading = self._reading, None
        try:
            chunk = reading.result()
        except FeedReplaced:
            raise
        except StorageError:
            self._has_failed = True
            return b""
        self._position, self._behind = chunk.next, chunk.behind
        if chunk.events:
            feed_events["tail"].add(chunk.events)
        return chunk.frames

    def _at(self) -> bytes:
        """Return where the stream stands, and set the time of the next `at`."""
        is_known = self._follower.is_known and not self._has_failed
        self._at_due, self._has_failed = monotonic() + AT_SECONDS, False
        behind = self._behind if self._follower.is_behind(self._position) else 0
        at = At(self._lag.seconds, behind) if is_known else At(self._lag.seconds, None, _TROUBLE)
        return sse.named(sse.AT, msgspec.json.encode(at), token_of(self._position))


def _mark_retrieved(reading: asyncio.Future[Chunk]) -> None:
    """Keep asyncio from logging the error of a read whose client has gone."""
    if not reading.cancelled():
        reading.exception()
