"""Follow the feed: one reading of its ledger for all readers of a process, while there are any."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Protocol

from api.query.single_flight import SingleFlight
from storage.feed.position import Position
from storage.periodic import OutageLog

POLL_SECONDS = 0.25  # without a hint
PAUSE_SECONDS = 0.1  # between two readings, however many hints come
KNOWN_SECONDS = 2.0  # an older reading tells nothing of now


class Hints(Protocol):
    """Tells that events may have been stored. Hints may be missing, or come for nothing."""

    async def wait(self, seconds: float) -> None:
        """Return at a hint, also one since the last call, or after so many seconds."""

    async def pause(self) -> None:
        """Take no hints until the next `wait`."""


class Follower:
    """Reads how far the feed is, while anybody follows it. For one event loop.

    `read` returns the position behind all that is stored. After `end`, nobody waits any more.
    """

    def __init__(self, read: Callable[[], Awaitable[Position]], hints: Hints) -> None:
        self._read = read
        self._hints = hints
        self._outages = OutageLog("following the feed")
        self._readings: SingleFlight[Position] = SingleFlight()
        self._latest: Position | None = None
        self._read_at = 0.0
        self._moved = asyncio.Event()  # replaced by another one whenever it is set
        self._followers = 0
        self._task: asyncio.Task[None] | None = None
        self.is_ended = False

    @property
    def latest(self) -> Position | None:
        """The position behind all that was stored at the last reading; None before the first."""
        return self._latest

    @property
    def is_known(self) -> bool:
        """Whether a reading of the last KNOWN_SECONDS tells how far the feed is."""
        return self._latest is not None and monotonic() < self._read_at + KNOWN_SECONDS

    async def now(self) -> Position:
        """Return the position behind all that was stored before this call.

        Raises DatabaseUnavailable.
        """
        return await self._readings.run("", self._reading)

    async def feed_id(self) -> str:
        """Return the id of the feed, as of at most POLL_SECONDS ago. Raises DatabaseUnavailable."""
        if self._latest is not None and monotonic() < self._read_at + POLL_SECONDS:
            return self._latest.feed_id
        return (await self.now()).feed_id

    def is_behind(self, position: Position) -> bool:
        """Return whether the last reading told of anything behind this position."""
        return self._latest is not None and is_before(position, self._latest)

    @contextmanager
    def following(self) -> Iterator[None]:
        """Keep reading the ledger during the block."""
        self._followers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self._followers -= 1

    async def wait(self, seconds: float) -> None:
        """Return once the feed has moved, when following ends, or after so many seconds."""
        if self.is_ended or seconds <= 0:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._moved.wait()

    def end(self) -> None:
        """Let nobody wait any more: the process is about to stop."""
        self.is_ended = True
        self._wake()

    async def close(self) -> None:
        """End, and return after the reading under way."""
        self.end()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _watch(self) -> None:
        while self._is_wanted:
            while self._is_wanted:
                with self._outages.round():
                    await self._readings.run("", self._reading)
                await asyncio.sleep(PAUSE_SECONDS)
                await self._hints.wait(POLL_SECONDS - PAUSE_SECONDS)
            await self._hints.pause()
        self._task = None  # nothing is awaited since the check: who comes now starts another one

    @property
    def _is_wanted(self) -> bool:
        return self._followers > 0 and not self.is_ended

    async def _reading(self) -> Position:
        began = monotonic()
        found = await self._read()
        has_moved = self._latest is None or is_before(self._latest, found)
        self._latest, self._read_at = found, began
        if has_moved:
            self._wake()
        return found

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


def is_before(position: Position, other: Position) -> bool:
    """Return whether something may be stored between these two; also if their feeds differ."""
    if position.feed_id != other.feed_id or position.within is not None:
        return True
    return any(number > position.batches.get(shard, 0) for shard, number in other.batches.items())
