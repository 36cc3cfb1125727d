"""Hints that events were stored: what writers publish on control after a commit."""

import asyncio
from contextlib import suppress
from time import monotonic

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from storage.redis import keys
from storage.redis.client import connect_async

_RETRY_SECONDS = 5.0  # after which a server that did not answer is asked again
_ERRORS = (RedisError, OSError, RuntimeError)


class FeedHints:
    """Takes hints while somebody waits for one. They may be missing: control promises nothing.

    For one task of an event loop. It raises nothing: without control each wait takes its time.
    """

    def __init__(self, control_url: str) -> None:
        self._client = connect_async(control_url, connections=1)
        self._channel: PubSub | None = None  # only while it is subscribed
        self._subscribing: asyncio.Task[None] | None = None
        self._try_at = 0.0

    async def wait(self, seconds: float) -> None:
        """Return at a hint, also one since the last call, or after so many seconds."""
        end = monotonic() + seconds
        if self._channel is not None:
            try:
                if await _has_hint(self._channel, seconds):
                    return
            except _ERRORS:
                await self._fail()
        elif self._subscribing is None and monotonic() >= self._try_at:
            # Not awaited, and never cancelled: redis-py may take that for a lost connection.
            self._subscribing = asyncio.create_task(self._subscribe())
        await asyncio.sleep(max(0.0, end - monotonic()))

    async def pause(self) -> None:
        """Take no hints until the next `wait`."""
        if self._subscribing is not None:
            await asyncio.wait([self._subscribing])
        channel, self._channel = self._channel, None
        if channel is not None:
            with suppress(*_ERRORS):
                await channel.aclose()  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """Close the connection."""
        await self.pause()
        await self._client.aclose()

    async def _subscribe(self) -> None:
        channel = self._client.pubsub()
        try:
            await channel.subscribe(keys.STORED_CHANNEL)
            self._channel = channel
        except _ERRORS:
            self._try_at = monotonic() + _RETRY_SECONDS
            with suppress(*_ERRORS):
                await channel.aclose()  # type: ignore[no-untyped-call]
        finally:
            self._subscribing = None

    async def _fail(self) -> None:
        self._try_at = monotonic() + _RETRY_SECONDS
        await self.pause()


async def _has_hint(channel: PubSub, seconds: float) -> bool:
    """Return whether a hint came in time; take all that have come."""
    found = await channel.get_message(timeout=max(0.0, seconds))
    following = found
    while following is not None:
        following = await channel.get_message(timeout=0.0)
    return found is not None
