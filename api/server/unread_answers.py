"""Answers that clients have not read yet: bounded in bytes for the process, in time for each.

A client that asks and does not read keeps its answer in this process's memory. The system takes
what it can of an answer at once; the rest waits here, and counts until the client has read it.
"""

import asyncio
import fcntl
import struct
import termios
from dataclasses import dataclass

from api.server import malloc

POLL_SECONDS = 1.0
POLLS_TO_GIVE_BACK = 10  # after which free memory goes back to the system
GRACE_SECONDS = 5.0  # without progress, after which an answer makes way for another one
LARGE_BYTES = 64 * 1024  # of an answer's body: smaller ones are within the transport's own bound


@dataclass(slots=True)
class _Progress:
    """Bytes that a client has still to take at the last look, and when they last became fewer."""

    left: int
    since: float


class UnreadAnswers:
    """All connections of one process.

    `max_bytes`: of unread answers. `stall_seconds`: without progress, after which a connection is
    aborted, whatever room there is.
    """

    def __init__(self, max_bytes: int, stall_seconds: float) -> None:
        self._max_bytes = max_bytes
        self._stall_seconds = stall_seconds
        self._progress: dict[asyncio.Transport, _Progress | None] = {}  # None: nothing is unread
        self._held: dict[asyncio.Transport, int] = {}
        self._total = 0
        self._timer: asyncio.TimerHandle | None = None
        self._polls = 0

    def watch(self, transport: asyncio.Transport) -> None:
        """Begin: the connection is made."""
        self._progress[transport] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(POLL_SECONDS, self._look)

    def forget(self, transport: asyncio.Transport) -> None:
        """End: the connection is lost."""
        self._progress.pop(transport, None)
        self.release(transport)

    def hold(self, transport: asyncio.Transport, size: int) -> None:
        """Count an answer of that size until `release`: its client does not read fast enough."""
        self._held[transport] = size
        self._total += size
        self.free_memory(0)

    def release(self, transport: asyncio.Transport) -> None:
        """The client has read enough for the next answer."""
        self._total -= self._held.pop(transport, 0)

    def free_memory(self, size: int) -> bool:
        """Abort the connections that stand still, the longest first, until `size` bytes fit.

        Return whether they do. A lone answer may exceed the budget.
        """
        if not self._fits(size):
            for transport in self._standing_still(GRACE_SECONDS):
                self._abort(transport)
                if self._fits(size):
                    break
        return self._fits(size)

    def _fits(self, size: int) -> bool:
        return not self._total or self._total + size <= self._max_bytes

    def _look(self) -> None:
        for transport, before in list(self._progress.items()):
            self._progress[transport] = _progress(transport, before)
        for transport in self._standing_still(self._stall_seconds):
            self._abort(transport)
        loop = asyncio.get_running_loop()
        self._polls += 1
        if self._polls % POLLS_TO_GIVE_BACK == 0:
            loop.run_in_executor(None, malloc.give_back)
        self._timer = loop.call_later(POLL_SECONDS, self._look)

    def _standing_still(self, seconds: float) -> list[asyncio.Transport]:
        """Return those without progress for so long, the longest first."""
        latest = asyncio.get_running_loop().time() - seconds
        since = {
            transport: progress.since
            for transport, progress in self._progress.items()
            if progress is not None and progress.since <= latest
        }
        return sorted(since, key=since.__getitem__)

    def _abort(self, transport: asyncio.Transport) -> None:
        """End the connection with a reset: the system forgets what it holds for it too."""
        self.forget(transport)
        transport.abort()


def _progress(transport: asyncio.Transport, before: _Progress | None) -> _Progress | None:
    buffered = transport.get_write_buffer_size()
    if not buffered:
        return None
    left = buffered + _in_system(transport)
    now = asyncio.get_running_loop().time()
    since = now if before is None or left < before.left else before.since
    return _Progress(left, since)


def _in_system(transport: asyncio.Transport) -> int:
    """Return the bytes that the system holds for the client: they become fewer in small steps."""
    connection = transport.get_extra_info("socket")
    try:
        answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:  # not on every system
        return 0
    return int(struct.unpack("i", answer)[0])
