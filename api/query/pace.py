"""Let long reads rest while the event loop is busy, so that they don't take the CPU from others."""

import asyncio
import os
import threading
import time
from contextlib import suppress
from typing import NamedTuple

from storage.metrics.http_requests import answers
from storage.metrics.instruments import group_commit_events

# Of the time of one core, for all reads of one pace together.
_LEAST_SHARE = 0.03
_FREE = 0.25  # share of the time up to which the event loop counts as idle: long reads use some too
_WINDOW_SECONDS = 0.05  # over which it is measured, at least
_STALE_SECONDS = 1.0  # a longer window says little of now
_MAX_REST = 5.0
_MAX_LINE = 20.0  # of the rests that follow each other
_FEW = 50  # requests and events a second: for so few, nothing need rest


def allowed_share(busy: float) -> float:
    """Return the share of a core that long reads may use while the loop needs `busy` of one."""
    if busy <= _FREE:
        return 1.0
    return max(_LEAST_SHARE, (1.0 - busy) / 8)


def _rests_per_second(busy: float) -> float:
    return 1 / allowed_share(busy) - 1


class _Sample(NamedTuple):
    """What the thread of the loop had needed, and how many requests and events came until then."""

    at: float
    needed: float
    asked: int


class Pace:
    """The rests of all long reads of a kind in a process. Threads may share it.

    It is made in the thread of the event loop.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop_id = threading.get_native_id()
        self._next_at = 0.0
        self._known: float | None = None
        self._last = self._sample()

    async def rest(self, worked: float) -> None:
        """Wait after a page that took so many seconds."""
        if seconds := self.rest_after(worked):
            await asyncio.sleep(seconds)

    def rest_after(self, worked: float) -> float:
        """Return for how many seconds to rest after so many seconds of work."""
        with self._lock:
            busy = self._busy()
            if busy is None:  # until the next window has passed
                rest = min(worked * _rests_per_second(1.0), _WINDOW_SECONDS)
            else:
                rest = min(worked * _rests_per_second(busy), _MAX_REST)
            if not rest:
                return 0.0
            now = time.monotonic()
            self._next_at = min(max(now, self._next_at) + rest, now + _MAX_LINE)
            return self._next_at - now

    def _busy(self) -> float | None:
        """Return the share of a core that the loop needs for others; None if it is not known."""
        before = self._last
        elapsed = time.monotonic() - before.at
        if elapsed < _WINDOW_SECONDS:
            return self._known
        self._last = self._sample()
        if elapsed > _STALE_SECONDS + max(self._next_at - before.at, 0.0):
            self._known = None
        elif self._last.asked - before.asked <= _FEW * elapsed:  # what it needs is for long reads
            self._known = 0.0
        else:
            self._known = (self._last.needed - before.needed) / elapsed
        return self._known

    def _sample(self) -> _Sample:
        asked = answers() + group_commit_events.total
        return _Sample(time.monotonic(), _needed_seconds(self._loop_id), asked)


def _needed_seconds(thread_id: int) -> float:
    """Return the time that a thread has run on a core, or has waited for one."""
    with suppress(OSError, ValueError):  # Linux alone tells how long it has waited
        descriptor = os.open(f"/proc/self/task/{thread_id}/schedstat", os.O_RDONLY)
        try:
            ran, waited, _ = os.read(descriptor, 100).split()
        finally:
            os.close(descriptor)
        return (int(ran) + int(waited)) / 1e9
    return time.process_time()
