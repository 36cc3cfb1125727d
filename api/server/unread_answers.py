"""Bound the answers that clients have not read: in bytes for the process, in seconds for each.

The system takes a part of an answer at once. The rest stays in this process's memory, and counts
until the client has read it.
"""

import asyncio
import fcntl
import struct
import termios
from dataclasses import dataclass

from api.server import malloc

POLL_SECONDS = 1.0
POLLS_TO_GIVE_BACK = 10  # after which free memory is returned to the system
GRACE_SECONDS = 5.0  # without progress, after which an answer may be aborted for another one
FAREWELL_SECONDS = 1.0  # that a TLS client has to answer the end of the connection
LARGE_BYTES = 64 * 1024  # of a body: the transport's own bound covers smaller ones


@dataclass(slots=True)
class _Progress:
    """The bytes that a client had not read at the last poll, and when they last became fewer.

    None are left of a TLS connection that is closed, while its client has not closed its side.
    """

    left: int
    since: float


class UnreadAnswers:
    """The unread answers of all connections of one process.

    `max_bytes` bounds their sum. After `stall_seconds` without progress a connection is aborted,
    however much memory is free.
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
        """Watch a new connection."""
        self._progress[transport] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(POLL_SECONDS, self._poll)

    def forget(self, transport: asyncio.Transport) -> None:
        """Stop watching a connection that is closed."""
        self._progress.pop(transport, None)
        self.release(transport)

    def hold(self, transport: asyncio.Transport, size: int) -> None:
        """Count an answer of this size until `release`: its client does not read fast enough."""
        self._held[transport] = size
        self._total += size
        self.free_memory(0)

    def release(self, transport: asyncio.Transport) -> None:
        """Stop counting: the client has read enough for the next answer, or part of one.

        That is progress even if as much is unread at the next poll as at the last one: an answer
        that takes long fills what the client empties.
        """
        self._total -= self._held.pop(transport, 0)
        progress = self._progress.get(transport)
        if progress is not None:
            progress.since = asyncio.get_running_loop().time()

    def free_memory(self, size: int) -> bool:
        """Abort connections without progress, the longest first, until `size` bytes fit.

        Return whether they fit. A lone answer may exceed the budget.
        """
        if not self._fits(size):
            for transport in self._standing_still(GRACE_SECONDS):
                self._abort(transport)
                if self._fits(size):
                    break
        return self._fits(size)

    def _fits(self, size: int) -> bool:
        return not self._total or self._total + size <= self._max_bytes

    def _poll(self) -> None:
        for transport, before in list(self._progress.items()):
            self._progress[transport] = _progress(transport, before)
        for transport in self._standing_still(self._stall_seconds):
            self._abort(transport)
        for transport in self._standing_still(FAREWELL_SECONDS):
            if not self._is_unread(transport):
                self._abort(transport)
        loop = asyncio.get_running_loop()
        self._polls += 1
        if self._polls % POLLS_TO_GIVE_BACK == 0:
            loop.run_in_executor(None, malloc.give_back)
        self._timer = loop.call_later(POLL_SECONDS, self._poll)

    def _standing_still(self, seconds: float) -> list[asyncio.Transport]:
        """Return the connections without progress for so long, the longest first."""
        latest = asyncio.get_running_loop().time() - seconds
        since = {
            transport: progress.since
            for transport, progress in self._progress.items()
            if progress is not None and progress.since <= latest
        }
        return sorted(since, key=since.__getitem__)

    def _is_unread(self, transport: asyncio.Transport) -> bool:
        progress = self._progress[transport]
        return progress is not None and progress.left > 0

    def _abort(self, transport: asyncio.Transport) -> None:
        """Reset the connection, so that the system drops its part of the answer too."""
        self.forget(transport)
        transport.abort()


def _progress(transport: asyncio.Transport, before: _Progress | None) -> _Progress | None:
    buffered = transport.get_write_buffer_size()
    if not buffered and not transport.is_closing():
        return None
    left = buffered + _in_system(transport)
    now = asyncio.get_running_loop().time()
    since = now if before is None or left < before.left else before.since
    return _Progress(left, since)


def _in_system(transport: asyncio.Transport) -> int:
    """Return the bytes that the system has not sent; they become fewer in smaller steps."""
    connection = transport.get_extra_info("socket")
    try:
        answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:  # not every system can tell
        return 0
    return int(struct.unpack("i", answer)[0])
