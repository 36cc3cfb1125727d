"""Let exports rest while the event loop is busy, so that they don't take the CPU from others."""

import asyncio
import os
import threading
import time
from contextlib import suppress

from storage.metrics.http_requests import answers
from storage.metrics.instruments import group_commit_events

# Of the time of one core, for all exports of a process together.
_LEAST_SHARE = 0.03
_FREE = 0.25  # share of the time up to which the event loop counts as idle: exports use some too
_WINDOW_SECONDS = 0.05  # over which it is measured, at least
_STALE_SECONDS = 1.0  # a longer window says little of now
_MAX_REST = 5.0
_FEW = 50  # requests and events a second: for so few, no export need rest


def allowed_share(busy: float) -> float:
    """Return the share of a core that exports may use while the loop needs `busy` of one. Pure."""
    if busy <= _FREE:
        return 1.0
    return max(_LEAST_SHARE, (1.0 - busy) / 8)


class Pace:
    """The rests of all exports of a process. Only the thread of the event loop may use it."""

    def __init__(self) -> None:
        self._next_at = 0.0
        self._busy = 1.0  # not known yet
        self._needed, self._asked, self._at = _needed_seconds(), _asked(), time.monotonic()

    async def rest(self, worked: float) -> None:
        """Wait after a page that took so many seconds."""
        now = time.monotonic()
        self._measure(now)
        rest = worked * (1 / allowed_share(self._busy) - 1)
        if not rest:
            return
        self._next_at = max(now, self._next_at) + min(rest, _MAX_REST)
        await asyncio.sleep(self._next_at - now)

    def _measure(self, now: float) -> None:
        elapsed = now - self._at
        if elapsed >= _WINDOW_SECONDS:
            needed, asked = _needed_seconds(), _asked()
            is_stale = elapsed > _STALE_SECONDS + max(self._next_at - self._at, 0.0)
            self._busy = 1.0 if is_stale else (needed - self._needed) / elapsed
            if asked - self._asked <= _FEW * elapsed:  # what the loop needs is for exports
                self._busy = 0.0
            self._needed, self._asked, self._at = needed, asked, now


def _asked() -> int:
    """Return how many requests this process has answered, and events it has appended."""
    return answers() + group_commit_events.total


def _needed_seconds() -> float:
    """Return the time that this thread has run on a core, or has waited for one."""
    with suppress(OSError, ValueError):  # Linux alone tells how long it has waited
        path = f"/proc/self/task/{threading.get_native_id()}/schedstat"
        descriptor = os.open(path, os.O_RDONLY)
        try:
            ran, waited, _ = os.read(descriptor, 100).split()
        finally:
            os.close(descriptor)
        return (int(ran) + int(waited)) / 1e9
    return time.thread_time()
